/* What an answer rests on: numbered cards, each with its document, its place in it, and the passages from there. */

import { element } from "./dom.js";

const ADDRESS = /^(https?:\/\/|\/guide\/)/;

/**
 * Sources of an answer, best first: the passages with their documents, then documents that came without a passage.
 * @param {{rag_chunks?: Array, referenced_documents?: Array}} end the data of the `end` event
 */
export function sourcesOf({ rag_chunks: chunks, referenced_documents: documents }) {
  const known = documents ?? [];
  const used = new Set();
  const passages = (chunks ?? []).map((chunk) => {
    const attributes = chunk.attributes ?? {};
    const document_ = documentOf(chunk, attributes, known);
    if (document_) used.add(document_);
    return {
      title: attributes.title || document_?.doc_title || chunk.source || "Document",
      url: document_?.doc_url || attributes.doc_url || attributes.url || (ADDRESS.test(chunk.source) ? chunk.source : null),
      section: sectionOf(attributes.section),
      anchor: attributes.anchor ?? "",
      contents: chunk.content ? [chunk.content] : [],
    };
  });
  const bare = known.filter((one) => !used.has(one)).map((one) => ({
    title: one.doc_title || one.doc_url || "Document", url: one.doc_url, section: "", anchor: "", contents: [],
  }));
  return [...byPlace(passages), ...bare];
}

/** Passages from the same place become one source, where the first of them stood. */
function byPlace(passages) {
  const places = new Map();
  for (const passage of passages) {
    const place = JSON.stringify([passage.url, passage.title, passage.section]);
    const known = places.get(place);
    if (known) known.contents.push(...passage.contents);
    else places.set(place, passage);
  }
  return [...places.values()];
}

function documentOf(chunk, attributes, known) {
  const names = [attributes.doc_url, attributes.url, chunk.source, attributes.title].filter(Boolean);
  return known.find((one) => names.includes(one.doc_url))
    ?? known.find((one) => names.includes(one.doc_title))
    ?? (known.length === 1 ? known[0] : undefined);
}

function sectionOf(section) {
  return Array.isArray(section) ? section.join(" › ") : section ?? "";
}

/** Where a source leads: on the web, or to a page of this service. Null where it leads nowhere safe. */
function addressOf({ url, anchor }) {
  if (!url) return null;
  try {
    // The service may live below a path: its own pages are named from where this page stands.
    const address = new URL(url.startsWith("/guide/") ? url.slice(1) : url, document.baseURI);
    if (address.protocol !== "http:" && address.protocol !== "https:") return null;
    if (anchor && !address.hash) address.hash = anchor;
    return address.href;
  } catch {
    return null;
  }
}

/** The list of cards, or null where there are no sources. */
export function sourceList(sources) {
  if (!sources.length) return null;
  return element(
    "section",
    { class: "sources", "aria-label": "Sources" },
    element("h3", {}, "Sources"),
    element("ol", { role: "list" }, ...sources.map(card)),
  );
}

function card(source, index) {
  const address = addressOf(source);
  const title = address
    ? element("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, source.title)
    : element("span", {}, source.title);
  const made = element(
    "li",
    { class: "source" },
    element("p", { class: "source-title" }, element("span", { class: "number" }, `${index + 1}`), title),
  );
  if (source.section) made.append(element("p", { class: "source-section" }, source.section));
  if (source.contents.length) {
    const many = source.contents.length > 1 ? `${source.contents.length} passages` : "Passage";
    made.append(element(
      "details",
      {},
      element("summary", {}, many, element("span", { class: "unseen" }, ` ${index + 1}: ${source.title}`)),
      ...source.contents.map((content) => element("blockquote", { class: "passage" }, content)),
    ));
  }
  return made;
}
