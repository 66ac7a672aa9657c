// Shows an OpenAPI document. It asks nobody but the server that it comes from, and writes text as
// text only: nothing in a document becomes markup.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete", "head", "options", "trace"];
const SCHEMAS = "#/components/schemas/";

// ----- the page -----

function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "class") element.className = value;
    else if (value !== undefined && value !== null) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null));
  return element;
}

// Text between backticks is code; nothing else of CommonMark is made out.
const marked = (value) => value.split("`").map((part, n) => (n % 2 ? make("code", {}, part) : part));
const text = (value) => (value ? make("p", { class: "text" }, marked(value)) : null);
const slug = (...parts) => parts.join("-").replace(/[^A-Za-z0-9_-]+/g, "-");

function table(heads, rows) {
  const head = make("tr", {}, heads.map((it) => make("th", {}, it)));
  return make("table", {}, head, rows.map((row) => make("tr", {}, row.map((it) => make("td", {}, it)))));
}

// ----- schemas -----

const nameOf = (schema) =>
  schema && typeof schema.$ref === "string" && schema.$ref.startsWith(SCHEMAS)
    ? schema.$ref.slice(SCHEMAS.length)
    : null;

function resolve(api, schema) {
  const name = nameOf(schema);
  return name ? ((api.components || {}).schemas || {})[name] || {} : schema || {};
}

// A schema in a line: `list of Product`, `whole number, 0 to 100`.
function inline(schema) {
  if (schema === true || schema === undefined) return ["anything"];
  if (schema === false) return ["nothing"];
  const name = nameOf(schema);
  if (name) return [make("a", { href: "#" + slug("schema", name) }, name)];
  const forms = schema.anyOf || schema.oneOf;
  if (forms) return forms.flatMap((form, n) => (n ? [" or ", ...inline(form)] : inline(form)));
  if (schema.allOf) return schema.allOf.flatMap((it, n) => (n ? [" and ", ...inline(it)] : inline(it)));
  if (schema.const !== undefined) return [JSON.stringify(schema.const)];
  if (schema.enum) return [schema.enum.map((it) => JSON.stringify(it)).join(" | ")];
  if (schema.type === "array") return ["list of ", ...inline(schema.items), limits(schema)];
  const types = [].concat(schema.type || "anything").join(" or ");
  return [types + (schema.format ? ` (${schema.format})` : "") + limits(schema)];
}

function limits(schema) {
  const words = [];
  const range = (low, high, unit) => {
    // What a number of 64 bits can hold anyway says nothing, and is more than this script can count.
    const [min, max] = [schema[low], schema[high]].map((it) => (Math.abs(it) > 2 ** 53 ? undefined : it));
    if (min !== undefined && max !== undefined) words.push(`${min} to ${max}${unit}`);
    else if (min !== undefined) words.push(`at least ${min}${unit}`);
    else if (max !== undefined) words.push(`at most ${max}${unit}`);
  };
  range("minimum", "maximum", "");
  range("minLength", "maxLength", " characters");
  range("minItems", "maxItems", " entries");
  if (schema.pattern) words.push(`matches ${schema.pattern}`);
  if (schema.default !== undefined) words.push(`default ${JSON.stringify(schema.default)}`);
  return words.length ? ", " + words.join(", ") : "";
}

function fields(schema) {
  const properties = Object.entries(schema.properties || {});
  if (!properties.length) return make("p", {}, inline(schema));
  const required = schema.required || [];
  return table(["field", "", "type", ""], properties.map(([name, field]) => [
    make("code", {}, name),
    required.includes(name) ? "required" : "",
    inline(field),
    marked(field.description || ""),
  ]));
}

// Something that fits, to begin with.
function example(api, schema, depth) {
  const whole = resolve(api, schema);
  if ((depth || 0) > 5 || typeof whole !== "object") return null;
  const next = (it) => example(api, it, (depth || 0) + 1);
  if ((whole.examples || []).length) return whole.examples[0];
  if (whole.default !== undefined) return whole.default;
  if (whole.const !== undefined) return whole.const;
  if (whole.enum) return whole.enum[0];
  const form = (whole.oneOf || whole.anyOf || whole.allOf || [])[0];
  if (form) return next(form);
  switch ([].concat(whole.type || (whole.properties ? "object" : "null"))[0]) {
    case "object":
      return Object.fromEntries(Object.entries(whole.properties || {}).map(([key, it]) => [key, next(it)]));
    case "array":
      return [next(whole.items || {})];
    case "integer":
    case "number":
      return Math.max(whole.minimum || 0, 0);
    case "string":
      return "text";
    case "boolean":
      return true;
    default:
      return null;
  }
}

// ----- operations -----

function operations(api) {
  const all = [];
  for (const [path, methods] of Object.entries(api.paths || {})) {
    for (const method of METHODS) {
      if (methods[method]) all.push({ path, method, operation: methods[method] });
    }
  }
  return all;
}

function byTag(api) {
  const tags = new Map((api.tags || []).map((tag) => [tag.name, []]));
  for (const entry of operations(api)) {
    for (const tag of entry.operation.tags || ["other"]) {
      if (!tags.has(tag)) tags.set(tag, []);
      tags.get(tag).push(entry);
    }
  }
  return tags;
}

function operationView(api, tag, { path, method, operation }) {
  const body = make("div", {}, text(operation.description));
  if (operation.security) {
    const schemes = operation.security.flatMap((it) => Object.keys(it)).join(", ");
    body.append(make("p", { class: "faint" }, `Asks for ${schemes}.`));
  }
  const parameters = operation.parameters || [];
  if (parameters.length) {
    body.append(make("h3", {}, "Parameters"), table(["name", "in", "type", ""], parameters.map((it) => [
      make("code", {}, it.name + (it.required ? "" : "?")), it.in, inline(it.schema), marked(it.description || ""),
    ])));
  }
  const request = operation.requestBody;
  if (request) {
    body.append(make("h3", {}, "Body"), table(["media type", "type"],
      Object.entries(request.content).map(([media, it]) => [make("code", {}, media), inline(it.schema)])));
  }
  body.append(make("h3", {}, "Answers"), table(["status", "when", "type"],
    Object.entries(operation.responses || {}).map(([status, answer]) => [
      make("code", {}, status),
      marked(answer.description || ""),
      Object.entries(answer.content || {}).flatMap(([media, it]) => [
        make("div", {}, make("code", {}, media), " ", inline(it.schema)),
      ]),
    ])));
  body.append(tryIt(api, path, method, operation));
  const id = slug("operation", tag, operation.operationId || method + path);
  return make("details", { id, class: operation.deprecated ? "deprecated" : "" },
    make("summary", {},
      make("span", { class: "method " + method }, method.toUpperCase()),
      make("span", { class: "path" }, path), " ",
      make("span", { class: "faint" }, operation.summary || "")),
    body);
}

function tryIt(api, path, method, operation) {
  const form = make("form", {});
  const inputs = (operation.parameters || []).map((it) => {
    const input = make("input", { name: it.name, placeholder: it.in, autocomplete: "off" });
    form.append(make("label", {}, make("span", {}, it.name), input));
    return { ...it, input };
  });
  if (operation.security) {
    const input = make("input", { placeholder: "header", autocomplete: "off" });
    form.append(make("label", {}, make("span", {}, "authorization"), input));
    inputs.push({ name: "authorization", in: "header", input });
  }
  const json = ((operation.requestBody || {}).content || {})["application/json"];
  let area = null;
  if (json) {
    area = make("textarea", { "aria-label": "body", spellcheck: "false" });
    area.value = JSON.stringify(example(api, json.schema), null, 2);
    form.append(area);
  }
  const answer = make("pre", { hidden: "" });
  form.append(make("button", { type: "submit" }, "Send"), answer);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    answer.hidden = false;
    answer.textContent = "…";
    try {
      answer.textContent = await send(path, method, inputs, area);
    } catch (error) {
      answer.textContent = String(error);
    }
  });
  return make("details", {}, make("summary", {}, "Try it"), make("div", {}, form));
}

async function send(path, method, inputs, area) {
  let target = path;
  const query = new URLSearchParams();
  const headers = new Headers();
  for (const { name, in: place, input } of inputs) {
    const value = input.value;
    if (place === "path") target = target.replace(`{${name}}`, encodeURIComponent(value));
    else if (value && place === "query") query.append(name, value);
    else if (value && place === "header") headers.set(name, value);
  }
  if (area) headers.set("content-type", "application/json");
  const url = target + (query.size ? `?${query}` : "");
  const began = performance.now();
  const response = await fetch(url, { method: method.toUpperCase(), headers, body: area ? area.value : undefined });
  const content = await response.text();
  const took = Math.round(performance.now() - began);
  const lines = [...response.headers].map(([name, value]) => `${name}: ${value}`);
  return `${response.status} ${response.statusText} (${took} ms)\n${lines.join("\n")}\n\n${pretty(content)}`;
}

function pretty(content) {
  try {
    return JSON.stringify(JSON.parse(content), null, 2);
  } catch {
    return content;
  }
}

// ----- all of it -----

function show(api) {
  const info = api.info || {};
  document.title = info.title || "API";
  document.getElementById("title").textContent = `${info.title || "API"} ${info.version || ""}`;
  document.getElementById("about").textContent = info.description || "";
  const [main, contents] = [document.getElementById("document"), document.getElementById("contents")];
  const sections = [];
  for (const [tag, entries] of byTag(api)) {
    contents.append(make("strong", {}, tag), make("ul", {}, entries.map(({ path, method, operation }) =>
      make("li", {}, make("a", { href: "#" + slug("operation", tag, operation.operationId || method + path) },
        `${method.toUpperCase()} ${path}`)))));
    sections.push(make("section", {}, make("h2", {}, tag),
      entries.map((entry) => operationView(api, tag, entry))));
  }
  const schemas = Object.entries((api.components || {}).schemas || {});
  contents.append(make("strong", {}, "Schemas"), make("ul", {}, schemas.map(([name]) =>
    make("li", {}, make("a", { href: "#" + slug("schema", name) }, name)))));
  sections.push(make("section", {}, make("h2", {}, "Schemas"), schemas.map(([name, schema]) =>
    make("details", { id: slug("schema", name) }, make("summary", {}, make("code", {}, name)),
      make("div", {}, text(schema.description), fields(schema))))));
  main.replaceChildren(...sections);
  main.dataset.shown = String(operations(api).length);
}

// Whatever a link leads to is opened first: the browser does not look into what is closed.
function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") {
    target.open = true;
    target.scrollIntoView();
  }
}

function filter(wanted) {
  const fits = (element) => element.textContent.toLowerCase().includes(wanted.trim().toLowerCase());
  for (const details of document.querySelectorAll("main > section > details")) {
    details.hidden = !fits(details.firstElementChild);
  }
  for (const item of document.querySelectorAll("nav li")) item.hidden = !fits(item);
}

async function begin() {
  const main = document.getElementById("document");
  document.getElementById("filter").addEventListener("input", (event) => filter(event.target.value));
  window.addEventListener("hashchange", open);
  try {
    const response = await fetch(main.dataset.document);
    if (!response.ok) throw new Error(`${main.dataset.document} answered ${response.status}`);
    show(await response.json());
    open();
  } catch (error) {
    main.replaceChildren(make("p", { id: "state" }, `The document cannot be shown: ${error.message}`));
  }
}

begin();
