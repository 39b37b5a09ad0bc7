"""What is made of a model's answer that should be a topic."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.assistant.titles import MAX_LENGTH, title
from tests.spec.registry import requirement


@requirement("topic:cleaned")
@pytest.mark.parametrize(
    ("answer", "topic"),
    [
        ("Installing OpenShift Operators", "Installing OpenShift Operators"),
        ("  Installing\tOpenShift \n", "Installing OpenShift"),
        ('"Installing OpenShift."', "Installing OpenShift"),
        ("“Installing OpenShift”", "Installing OpenShift"),
        ("Topic: Installing OpenShift", "Installing OpenShift"),
        ("**Topic:** *Installing OpenShift*", "Installing OpenShift"),
        ('The topic: "Installing OpenShift"!', "Installing OpenShift"),
        ("Topic Summary:\n\nInstalling OpenShift", "Installing OpenShift"),
        ("Here is a topic for this question:\n1. Installing OpenShift", "Installing OpenShift"),
        ("### Installing `oc`\n\nThis topic names the command.", "Installing oc"),
        ("```text\nInstalling OpenShift\n```", "Installing OpenShift"),
        ("- Installing OpenShift\n- Removing OpenShift", "Installing OpenShift"),
        ("<think>They ask about nodes.\n\nHm.</think>\n\nNode Draining", "Node Draining"),
        ("They ask about nodes.\n</think>\nNode Draining", "Node Draining"),
        ("<think>They ask about nodes, and", ""),
        ("Pods & Nodes: Differences", "Pods & Nodes: Differences"),
        ("Upgrade From 4.15", "Upgrade From 4.15"),
        ("C++", "C++"),
        ("C#", "C#"),
        ("'oc' And 'kubectl'", "'oc' And 'kubectl'"),
        ("Как установить OpenShift?", "Как установить OpenShift?"),
        ("安装集群。", "安装集群"),
        ("می‌خواهم", "می‌خواهم"),
        ("In\x00stall\x1b[31m\u202eing", "Install[31ming"),
        ("Nodes\u2028Pods", "Nodes"),
        ("\n\n---\n…\n", ""),
        ("", ""),
        ("word " * 50, "word " * 19 + "word"),
        ("x" * 150, "x" * 100),
    ],
)
def test_the_topic_in_an_answer(answer: str, topic: str) -> None:
    assert title(answer) == topic


PIECES = st.sampled_from(
    ["<think>", "</think>", "</thinking>", "**", "`", '"', "“", "”", "*", "(", ")", "Topic:", "# ", "1. ", "\n", " ",
     ".", ":", "\x00", "\u202e", "Installing", "a" * 60, "é", "漢"]
)  # fmt: skip


@requirement("topic:cleaned")
@given(st.lists(PIECES).map("".join) | st.text())
def test_a_topic_is_one_short_line_that_says_something_or_nothing(answer: str) -> None:
    topic = title(answer)
    assert len(topic) <= MAX_LENGTH
    assert topic == topic.strip()
    assert len(topic.splitlines()) <= 1
    assert not [char for char in topic if unicodedata.category(char) in {"Cc", "Cs"}]
    assert not topic or any(char.isalnum() for char in topic)
    assert title(topic) == topic, "a topic is its own topic"
