"use strict";
// Everything shown comes from one document, /live.json, which GET /events repeats once a second. Values reach the page
// as text or as attributes of known names, never as markup. A new part of the document gets a panel: an object with an
// id, a title, build() for what stays and update() for what changes, in the list PANELS.

const HISTORY = 60;          // points of a graph: a minute
const RATE_SECONDS = 2;      // what a rate is taken over
const LATENCY_SECONDS = 10;  // what percentiles are taken over
const STALE_MS = 3000;       // without a document for so long, the page says so

// ---- elements ----

/** An element with attributes and children; texts become text nodes. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function setClass(node, name) {
  if (node.className !== name) node.className = name;
}

const SVG = "http://www.w3.org/2000/svg";

/** A graph of one or two series over the last minute. It says nothing that the numbers beside it do not. */
class Graph {
  constructor(lines = 1) {
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("viewBox", `0 0 ${HISTORY - 1} 20`);
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.setAttribute("aria-hidden", "true");
    this.lines = Array.from({ length: lines }, (_, index) => {
      const line = document.createElementNS(SVG, "polyline");
      if (index > 0) line.setAttribute("class", "second");
      this.svg.prepend(line);
      return { line, values: [] };
    });
  }
  push(...values) {
    this.lines.forEach(({ values: kept }, index) => {
      kept.push(values[index] ?? null);
      if (kept.length > HISTORY) kept.shift();
    });
    const most = Math.max(...this.lines.flatMap(({ values: kept }) => kept), 1e-9);
    for (const { line, values: kept } of this.lines) {
      const offset = HISTORY - kept.length;
      const points = kept.map((value, index) => value === null ? "" : `${offset + index},${(19 - value / most * 18).toFixed(1)}`);
      line.setAttribute("points", points.join(" "));
    }
  }
}

// ---- numbers ----

function number(value) {
  if (value === null || !Number.isFinite(value)) return "–";
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  if (value >= 100 || Number.isInteger(value)) return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");
  return value.toFixed(1);
}

function percent(share) {
  if (share === null) return "–";
  return share > 0 && share < 0.001 ? "< 0.1 %" : `${(share * 100).toFixed(1)} %`;
}

function duration(ns) {
  if (ns === null) return "–";
  if (ns === Infinity) return "over";
  const ms = ns / 1e6;
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return ms >= 100 ? `${ms.toFixed(0)} ms` : ms >= 10 ? `${ms.toFixed(1)} ms` : `${ms.toFixed(2)} ms`;
}

function bytes(count) {
  const unit = ["B", "kB", "MB", "GB"].findIndex((_, power) => count < 1000 ** (power + 1));
  const power = unit < 0 ? 3 : unit;
  return `${(count / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${["B", "kB", "MB", "GB"][power]}`;
}

function uptime(ms) {
  const seconds = Math.floor(ms / 1000), [h, m] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (h >= 48) return `${Math.floor(h / 24)} days`;
  return h > 0 ? `${h} h ${m} min` : m > 0 ? `${m} min ${seconds % 60} s` : `${seconds} s`;
}

function clock(ms) {
  const two = (value) => String(value).padStart(2, "0"), at = new Date(ms);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

const ratio = (part, whole) => whole > 0 ? Math.min(part / whole, 1) : null;
const sum = (values) => values.reduce((total, value) => total + value, 0);

/** A percentile of counts by bucket, interpolated within its bucket as Prometheus does. Infinity: beyond all bounds. */
function quantile(bounds, counts, share) {
  const total = sum(counts);
  if (total === 0) return null;
  let rank = share * total;
  for (let index = 0; index < counts.length; index++) {
    if (rank <= counts[index] && counts[index] > 0) {
      if (index >= bounds.length) return Infinity;
      const lower = index > 0 ? bounds[index - 1] : 0;
      return lower + (bounds[index] - lower) * rank / counts[index];
    }
    rank -= counts[index];
  }
  return Infinity;
}

// ---- documents ----

/** The documents of the last seconds, oldest first. Counters become rates by their differences. */
let recent = [];

function remember(doc) {
  const last = recent.at(-1);
  if (last && doc.uptime_ms < last.uptime_ms) recent = [];
  doc.byId = new Map(doc.backends.map((backend) => [backend.id, backend]));
  doc.byRoute = new Map(doc.routes.map((route) => [routeKey(route), route]));
  doc.byLimit = new Map(doc.limits.map((limit) => [limit.name, limit]));
  recent.push(doc);
  while (recent.length > 2 && recent[1].uptime_ms <= doc.uptime_ms - LATENCY_SECONDS * 1000) recent.shift();
}

/** The document that is compared with the last one, about so many seconds older. */
function before(seconds) {
  const now = recent.at(-1).uptime_ms;
  return recent.findLast((doc) => doc.uptime_ms <= now - seconds * 1000 + 100) ?? recent[0];
}

const routeKey = (route) => JSON.stringify([route.name, route.group]);

/** The increase of a counter per second; `find` finds what has it in a document. */
function rate(find, counter) {
  const [now, old] = [recent.at(-1), before(RATE_SECONDS)];
  const seconds = (now.uptime_ms - old.uptime_ms) / 1000;
  return seconds > 0 ? increase(find(now), find(old), counter) / seconds : null;
}

/** What was not there before started from 0. */
const increase = (now, old, counter) => Math.max(counter(now) - (old ? counter(old) : 0), 0);

function percentiles(find, buckets) {
  const [now, old] = [recent.at(-1), before(LATENCY_SECONDS)];
  if (now === old) return [null, null];
  const [counts, olds] = [buckets(find(now)), find(old) ? buckets(find(old)) : []];
  const grown = counts.map((count, index) => Math.max(count - (olds[index] ?? 0), 0));
  return [0.5, 0.99].map((share) => quantile(now.latency_bounds_ns, grown, share));
}

/** Graphs stop at the last bound. */
const drawn = (doc, ns) => ns === Infinity ? doc.latency_bounds_ns.at(-1) : ns;

// ---- panels ----

/** A table whose rows are kept from one document to the next, so that focus and graphs stay. */
class Table {
  constructor(caption, columns) {
    this.columns = columns;
    this.rows = new Map();
    const cells = columns.map(({ label, style }) => element("th", { scope: "col", role: "columnheader", class: style }, label));
    this.table = element("table", { role: "table", "aria-label": caption },
      element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...cells)));
    this.bodies = new Map();
  }
  /** The body of a group; `head` is shown above its rows. */
  body(key, head) {
    let body = this.bodies.get(key);
    if (!body) {
      body = element("tbody", { role: "rowgroup" });
      if (head) body.append(element("tr", { role: "row", class: "head" }, head));
      this.bodies.set(key, body);
      this.table.append(body);
    }
    return body;
  }
  /** The row of a key, made if there is none. */
  row(key, body, make) {
    let row = this.rows.get(key);
    if (!row) {
      const cells = this.columns.map(({ label, style, bare }) => {
        const cell = element("td", { role: "cell", class: style });
        if (!bare) cell.setAttribute("data-label", label);
        return cell;
      });
      row = { element: element("tr", { role: "row" }, ...cells), cells };
      make(row);
      body.append(row.element);
      this.rows.set(key, row);
    }
    row.isSeen = true;
    return row;
  }
  /** Removes the rows that this document did not have. */
  sweep() {
    for (const [key, row] of this.rows) {
      if (!row.isSeen) {
        row.element.remove();
        this.rows.delete(key);
      }
      row.isSeen = false;
    }
  }
}

const totals = {
  id: "totals", title: "Now",
  tiles: [
    ["req/s", () => rate((doc) => doc.totals, (all) => all.requests), number],
    ["failed", () => ratio(rate((doc) => doc.totals, (all) => all.failed), rate((doc) => doc.totals, (all) => all.requests)), percent],
    ["p50", () => totals.latency()[0], duration],
    ["p99", () => totals.latency()[1], duration],
    ["in flight", (doc) => doc.totals.in_flight, number],
    ["queued", (doc) => doc.totals.queued, number],
    ["clients", (doc) => doc.totals.connections_active, number],
    ["limited/s", () => rate((doc) => doc.totals, (all) => all.limited), number],
    ["shed/s", () => rate((doc) => doc.totals, (all) => all.shed), number],
    ["in/s", () => rate((doc) => doc.totals, (all) => all.bytes_received), bytes],
    ["out/s", () => rate((doc) => doc.totals, (all) => all.bytes_sent), bytes],
  ],
  latency() {
    const all = (doc) => doc.routes.reduce((counts, route) => route.time_buckets.map((count, index) => count + (counts[index] ?? 0)), []);
    return percentiles((doc) => doc, all);
  },
  build(section) {
    const list = section.appendChild(element("ul"));
    this.shown = this.tiles.map(([label]) => {
      const [value, graph] = [element("b"), new Graph()];
      list.append(element("li", {}, element("span", { class: "muted" }, label), value, graph.svg));
      return { value, graph };
    });
  },
  update(doc) {
    this.tiles.forEach(([, read, format], index) => {
      const value = read(doc);
      setText(this.shown[index].value, value === null ? "–" : format(value));
      this.shown[index].graph.push(drawn(doc, value));
    });
  },
};

const STATES = {
  "UP": ["up", "good"], "HALF-OPEN": ["half-open", "warn"], "DRAIN": ["drained", ""], "EJECTED": ["ejected", "bad"], "DOWN": ["down", "bad"],
};

const backends = {
  id: "backends", title: "Backends",
  columns: [
    { label: "backend", style: "text name", bare: true }, { label: "state", style: "text state", bare: true },
    { label: "share", style: "number share" }, { label: "in flight", style: "number" }, { label: "req/s", style: "short" },
    { label: "errors", style: "number" }, { label: "p50", style: "number" }, { label: "p99", style: "number" },
    { label: "last 60 s", style: "graph", bare: true }, { label: "reuse", style: "number" },
    { label: "weight", style: "short" }, { label: "change", style: "action", bare: true },
  ],
  build(section) {
    this.table = new Table("backends", this.columns);
    this.note = element("p", { class: "muted" });
    section.append(this.table.table, this.note);
  },
  update(doc) {
    this.table.table.classList.toggle("read-only", !doc.program.writable);
    for (const group of doc.groups) this.updateGroup(group);
    const rates = new Map();
    for (const { id, group } of doc.backends) {
      const requests = rate((from) => from.byId.get(id), (one) => one.requests) ?? 0;
      rates.set(group, (rates.get(group) ?? 0) + requests);
    }
    for (const backend of doc.backends) this.updateBackend(doc, backend, rates.get(backend.group));
    this.table.sweep();
    setText(this.note, doc.backends_omitted > 0 ? `${number(doc.backends_omitted)} more backends are not shown.` : "");
  },
  updateGroup(group) {
    let head = this.groups?.get(group.name);
    if (!head) {
      head = { about: element("span"), alarm: element("span", { class: "alarm" }) };
      const cell = element("th", { scope: "rowgroup", role: "rowheader", colspan: this.columns.length }, `group ${group.name}`, head.about, head.alarm);
      (this.groups ??= new Map()).set(group.name, head);
      this.table.body(group.name, cell);
    }
    const limit = group.adaptive_limit === null ? "" : `, limit ${number(group.adaptive_limit)} in flight`;
    setText(head.about, `${group.algorithm}, ${number(group.up)} of ${number(group.backends)} up, ${number(group.queued)} queued${limit}`);
    const alarms = [group.breaker_open && "breaker open", group.panic && "panic: health is ignored"];
    setText(head.alarm, alarms.filter(Boolean).join(", "));
  },
  makeRow(backend, row) {
    const [name, state, share, , , , , , graph, , , action] = row.cells;
    name.textContent = backend.name;
    name.title = backend.name;
    row.badge = state.appendChild(element("span"));
    row.bar = share.appendChild(element("i"));
    row.share = share.appendChild(element("span"));
    row.graph = new Graph(2);
    graph.append(row.graph.svg);
    row.button = action.appendChild(element("button", { type: "button" }));
    row.button.addEventListener("click", () => changeDrain(row));
  },
  updateBackend(doc, backend, ofGroup) {
    const find = (from) => from.byId.get(backend.id);
    const row = this.table.row(backend.id, this.table.body(backend.group), (made) => this.makeRow(backend, made));
    row.backend = backend;
    const [label, style] = STATES[backend.state] ?? [backend.state, ""];
    const ends = backend.state_ends_in_ms > 0 ? ` ${Math.ceil(backend.state_ends_in_ms / 1000)} s` : "";
    setText(row.badge, label + ends);
    setClass(row.badge, `badge ${style}`);
    setClass(row.element, style === "bad" ? "is-down" : "");
    const ended = (one) => sum(one.responses) + one.failures;
    const requests = rate(find, (one) => one.requests);
    const share = requests === null ? null : ratio(requests, ofGroup);
    const [p50, p99] = percentiles(find, (one) => one.first_byte_buckets);
    const all = rate(find, ended);
    setText(row.share, percent(share));
    row.bar.style.width = `calc(${((share ?? 0) * 100).toFixed(1)}% - .5rem)`;
    const limit = backend.max_connections === null ? "" : ` / ${number(backend.max_connections)}`;
    const texts = [
      number(backend.in_flight) + limit, number(requests),
      percent(ratio(rate(find, (one) => one.responses[4] + one.failures), all)), duration(p50), duration(p99),
    ];
    texts.forEach((text, index) => setText(row.cells[3 + index], text));
    row.graph.push(drawn(doc, p50), drawn(doc, p99));
    setText(row.cells[9], percent(ratio(rate(find, (one) => one.reused), all)));
    setText(row.cells[10], number(backend.weight));
    const action = backend.draining ? "Enable" : "Drain";
    row.button.hidden = !doc.program.writable;
    setText(row.button, action);
    row.button.setAttribute("aria-label", `${action} ${backend.name} of group ${backend.group}`);
  },
};

const routes = {
  id: "routes", title: "Routes",
  columns: [
    { label: "route", style: "text name", bare: true }, { label: "group", style: "text" }, { label: "req/s", style: "count" },
    { label: "failed", style: "count" }, { label: "p50", style: "count" }, { label: "p99", style: "count" },
    { label: "last 60 s", style: "graph", bare: true },
  ],
  build(section) {
    this.table = new Table("routes", this.columns);
    this.note = element("p", { class: "muted" });
    section.append(this.table.table, this.note);
  },
  update(doc) {
    // Requests that were never routed are of interest once there are any.
    for (const route of doc.routes.filter((one) => one.name !== "" || one.requests > 0)) this.updateRoute(doc, route);
    this.table.sweep();
    setText(this.note, doc.routes_omitted > 0 ? `${number(doc.routes_omitted)} more routes are not shown.` : "");
  },
  updateRoute(doc, route) {
    const key = routeKey(route), find = (from) => from.byRoute.get(key);
    const row = this.table.row(key, this.table.body(""), (made) => {
      made.cells[0].textContent = route.name || "(not valid)";
      made.cells[0].title = made.cells[0].textContent;
      made.cells[1].textContent = route.group || "–";
      made.graph = new Graph(2);
      made.cells[6].append(made.graph.svg);
    });
    const requests = rate(find, (one) => one.requests);
    const [p50, p99] = percentiles(find, (one) => one.time_buckets);
    const texts = [number(requests), percent(ratio(rate(find, (one) => one.failed), requests)), duration(p50), duration(p99)];
    texts.forEach((text, index) => setText(row.cells[2 + index], text));
    row.graph.push(drawn(doc, p50), drawn(doc, p99));
  },
};

const limits = {
  id: "limits", title: "Rate limits",
  columns: [
    { label: "limit", style: "text name", bare: true },
    { label: "passed/s", style: "count" }, { label: "refused/s", style: "count" }, { label: "refused", style: "count" },
  ],
  build(section) {
    this.table = new Table("rate limits", this.columns);
    this.note = element("p", { class: "muted" });
    section.append(this.table.table, this.note);
  },
  update(doc) {
    for (const limit of doc.limits) {
      const find = (from) => from.byLimit.get(limit.name);
      const row = this.table.row(limit.name, this.table.body(""), (made) => {
        made.cells[0].append(limit.name, element("span", {}, limit.rule + (limit.dry_run ? " (dry run: refuses nothing)" : "")));
      });
      const texts = [number(rate(find, (one) => one.allowed)), number(rate(find, (one) => one.refused)), number(limit.refused)];
      texts.forEach((text, index) => setText(row.cells[1 + index], text));
    }
    this.table.sweep();
    this.table.table.hidden = doc.limits.length === 0;
    const refused = doc.totals.connections_refused;
    const texts = [doc.limits.length === 0 && "No rate limits.", refused > 0 && `${number(refused)} connections refused, because their address had too many.`];
    setText(this.note, texts.filter(Boolean).join(" "));
  },
};

const machine = {
  id: "machine", title: "Connections and workers",
  columns: [
    { label: "what", style: "text name", bare: true }, { label: "now", style: "number" },
    { label: "last 60 s", style: "graph", bare: true },
  ],
  build(section) {
    this.table = new Table("connections to backends, and workers", this.columns);
    section.append(this.table.table);
  },
  update(doc) {
    const pool = (counter) => rate((from) => from.pool, counter);
    const [reused, connects] = [pool((all) => all.reused), pool((all) => all.connects)];
    this.line("pool: reuse", ratio(reused, reused + connects), percent);
    this.line("pool: connects/s", connects, number);
    this.line("pool: evicted or expired/s", pool((all) => all.evicted + all.expired), number);
    this.line("pool: closed by backends/s", pool((all) => all.stale), number);
    doc.workers.forEach((worker, index) => {
      const busy = rate((from) => from.workers[index], (one) => one.busy_us / 1e6);
      this.line(`worker ${index}: busy`, busy === null ? null : Math.min(busy, 1), (share) => `${percent(share)}`);
      this.line(`worker ${index}: clients`, worker.clients, number);
    });
    this.table.sweep();
  },
  line(name, value, format) {
    const row = this.table.row(name, this.table.body(""), (made) => {
      made.cells[0].textContent = name;
      made.graph = new Graph();
      made.cells[2].append(made.graph.svg);
    });
    setText(row.cells[1], value === null ? "–" : format(value));
    row.graph.push(value);
  },
};

const KINDS = {
  up: ["up", "good"], down: ["down", "bad"], half_open: ["half-open", "warn"], ejected: ["ejected", "bad"],
  drained: ["drained", ""], enabled: ["enabled", "good"], added: ["added", ""], removed: ["removed", ""],
  breaker_open: ["breaker open", "bad"], breaker_closed: ["breaker closed", "good"],
  panic: ["panic", "bad"], panic_over: ["panic over", "good"], limited: ["limited", "warn"], shed: ["shed", "warn"],
};

const events = {
  id: "events", title: "Last events",
  build(section) {
    this.list = element("ol", { tabindex: "0", "aria-label": "last events, newest first" });
    this.none = element("p", { class: "muted" }, "Nothing has happened yet.");
    this.shown = new Map();
    section.append(this.none, this.list);
  },
  update(doc) {
    this.none.hidden = doc.events.length > 0;
    const kept = new Set(doc.events.map((event) => event.sequence));
    for (const [sequence, item] of this.shown) {
      if (!kept.has(sequence)) { item.element.remove(); this.shown.delete(sequence); }
    }
    for (const event of doc.events) {
      const item = this.shown.get(event.sequence) ?? this.add(event);
      setText(item.count, event.count > 0 ? `${number(event.count)} requests` : "");
    }
    // From now on: nobody wants to hear what happened before.
    this.list.setAttribute("aria-live", "polite");
  },
  add(event) {
    const [label, style] = KINDS[event.kind] ?? [event.kind, ""];
    const item = { count: element("span", { class: "muted", "aria-live": "off" }) };
    item.element = element("li", {}, element("span", { class: "muted" }, clock(event.time_ms)),
      element("span", { class: `badge ${style}` }, label),
      element("span", {}, event.subject), item.count);
    if (event.group) item.element.append(element("span", { class: "muted" }, `group ${event.group}`));
    this.list.prepend(item.element);
    this.shown.set(event.sequence, item);
    return item;
  },
};

const PANELS = [totals, backends, routes, machine, limits, events];

// ---- the page ----

const $ = (id) => document.getElementById(id);
let stream = null;
let received = { at: 0, clock: 0 };

for (const panel of PANELS) {
  const section = element("section", { id: panel.id, "aria-labelledby": `${panel.id}-title` }, element("h2", { id: `${panel.id}-title` }, panel.title));
  document.querySelector("main").append(section);
  panel.build(section);
}

function show(doc) {
  const last = recent.at(-1);
  if (last && doc.uptime_ms === last.uptime_ms) return;
  remember(doc);
  const { program } = doc;
  setText($("name"), program.name);
  const mode = [program.draining && "shutting down", !program.writable && "read-only"].filter(Boolean);
  setText($("about"), [`version ${program.version}`, `up ${uptime(doc.uptime_ms)}`, ...mode].join(", "));
  for (const panel of PANELS) panel.update(doc);
  const down = doc.groups.reduce((count, group) => count + group.backends - group.up, 0);
  document.title = `${down > 0 ? `(${down} not up) ` : ""}${program.name}`;
}

/** Drains a backend, or enables it again: the admin API does it, with its own checks. */
async function changeDrain(row) {
  const { backend, button } = row;
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  const action = backend.draining ? "enable" : "drain";
  const path = `/backends/${encodeURIComponent(backend.name)}/${action}?group=${encodeURIComponent(backend.group)}`;
  try {
    const response = await fetch(path, { method: "POST" });
    const body = await response.json();
    setText($("message"), response.ok ? "" : `${action} ${backend.name}: ${body.error}`);
    if (response.ok) show(await (await fetch("/live.json")).json());
  } catch (error) {
    setText($("message"), `${action} ${backend.name}: ${error.message}`);
  }
  button.removeAttribute("aria-disabled");
}

function connect() {
  stream?.close();
  const opened = stream = new EventSource("/events");
  opened.onmessage = (message) => {
    show(JSON.parse(message.data));
    received = { at: performance.now(), clock: Date.now() };
    showStatus();
  };
  // It connects again by itself, unless the answer was not a stream: too many are open.
  opened.onerror = () => {
    if (opened.readyState === EventSource.CLOSED && stream === opened) setTimeout(() => stream === opened && connect(), 3000);
  };
}

function showStatus() {
  const isStale = performance.now() - received.at > STALE_MS;
  const text = !isStale ? "live" : received.clock > 0 ? `stale since ${clock(received.clock)}` : "connecting";
  setText($("status"), text);
  setClass($("status"), `badge push ${isStale ? (received.clock > 0 ? "bad" : "warn") : "good"}`);
  document.body.classList.toggle("stale", isStale && received.clock > 0);
}

// A browser has six connections to a server, for all tabs: those that nobody sees need none.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stream?.close();
    stream = null;
  } else {
    connect();
  }
});
setInterval(showStatus, 500);
if (!document.hidden) connect();
