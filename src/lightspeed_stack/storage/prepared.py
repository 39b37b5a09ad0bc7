"""A statement compiled once by SQLAlchemy and run by the driver itself.

A writer runs the same few statements for ever, so SQLAlchemy's part is done once: the SQL in the database's dialect,
the order of the parameters, and how values become the driver's (docs/decisions/0005-storage.md has the figures).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ClauseElement, Dialect
from sqlalchemy.sql.compiler import SQLCompiler

type Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Prepared:
    """``sql`` for the driver; ``names`` of its parameters, in order; ``convert`` per name, where values need it.

    ``constants`` are values that stand in the statement itself, such as the 1 of ``count + 1``.
    """

    sql: str
    names: tuple[str, ...]
    constants: Row
    convert: Mapping[str, Callable[[Any], Any]]
    positional: bool

    @classmethod
    def of(cls, statement: ClauseElement, dialect: Dialect, columns: Sequence[str]) -> "Prepared":
        """Compile ``statement`` for rows that have ``columns``."""
        compiled = statement.compile(dialect=dialect, column_keys=list(columns))
        if not isinstance(compiled, SQLCompiler):
            raise TypeError(f"{statement!r} is no statement")
        convert = {}
        for name, parameter in compiled.binds.items():
            processor = parameter.type.dialect_impl(dialect).bind_processor(dialect)
            if processor is not None:
                convert[name] = processor
        names = compiled.positiontup
        return cls(
            sql=str(compiled),
            names=tuple(compiled.binds if names is None else names),
            constants={name: value for name, value in compiled.params.items() if name not in columns},
            convert=convert,
            positional=names is not None,
        )

    def rows(self, given: Sequence[Row]) -> list[Any]:
        """Rows as the driver takes them: tuples in order, or mappings by name."""
        convert = self.convert.items()
        converted = [
            {**self.constants, **row, **{name: change(row[name]) for name, change in convert}} for row in given
        ]
        if not self.positional:
            return converted
        names = self.names
        return [tuple([row[name] for name in names]) for row in converted]
