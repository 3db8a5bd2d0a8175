// The page: controls, the conversation with the server, and what surrounds the network.
import { $, h, plural, s, say } from './dom.js';
import { Network } from './network.js';
import { bytes, classes, contour, css, losses, mark, palette, points, sharp, shown, signed } from './paint.js';

const about = JSON.parse($('about').textContent), reduced = matchMedia('(prefers-reduced-motion: reduce)'), dark = matchMedia('(prefers-color-scheme: dark)');
const EVERY = () => reduced.matches ? 400 : 50; // milliseconds between two pictures, at least
const SPEEDS = [[1, '1 step/s'], [10, '10 steps/s'], [100, '100 steps/s'], [1000, '1000 steps/s'], [null, 'no limit']];
let session = null, setup = null, frame = null, settings = { ...about.first }, table = null, curve = [], generation = -1, run = 0, over = false, resume = false, speed = 100;

// ---- the server ----------------------------------------------------------------------------------------------------

async function ask(name, body, options = {}) {
  let answer;
  try {
    answer = await fetch(name, { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Token': about.token }, body: JSON.stringify(body), ...options });
  } catch { throw gone(); }
  const found = await answer.json();
  if (answer.ok) return found;
  const error = new Error(found.error);
  error.status = answer.status;
  throw error;
}

function gone() {
  if (!over) {
    over = true;
    alertWith('The playground has ended.', ' Start it again with: autograd-nn playground');
    for (const e of document.querySelectorAll('header button, main button, main input, main select, header select')) e.disabled = true;
    $('theme').disabled = $('keys').disabled = false;
    if (frame) { frame.playing = false; transport(); }
  }
  return new Error('');
}

const alertWith = (strong, text = '') => $('alert').replaceChildren(...(strong || text ? [h('p', {}, h('b', {}, strong), text)] : []));
const announce = text => say($('live'), text);

/** Begin a run with settings; what is wrong with them is said, and the old ones stay. */
async function start(changes = {}, word = 'Reset.', source = {}) {
  const mine = ++run, wanted = { ...settings, ...changes };
  try {
    const answer = await (source.load ? ask('load', { session, ...source.load }) : ask('start', { session, settings: wanted }));
    if (mine !== run) return false;
    begin(answer, word);
    return true;
  } catch (error) {
    if (mine !== run || over) return false;
    if (error.status === 410) { session = null; return start(changes, 'The session had ended, since it was idle: begun anew.'); }
    alertWith('This cannot be done: ', error.message);
    if (setup) fields();
    return false;
  }
}

function begin(answer, word) {
  session = answer.session; setup = answer.setup; table = answer.table; settings = setup.settings;
  curve = []; generation = -1;
  $('explore').href = `explorer?session=${encodeURIComponent(session)}`;
  alertWith('');
  fields(); surroundings();
  network.build(setup);
  take(answer.frame);
  announce(word);
  remember();
  if (speed !== null) act('speed', speed);
}

async function act(action, value) {
  const mine = run;
  try {
    const answer = await ask('act', { session, action, value, generation, have: curve.length });
    if (mine === run) take(answer.frame);
  } catch (error) { trouble(error); }
}

function trouble(error) {
  if (over) return;
  if (error.status === 410) { session = null; start({}, 'The session had ended, since it was idle: begun anew.'); }
  else alertWith('This cannot be done: ', error.message);
}

let drawing = false;
async function watch() {
  if (drawing) return;
  drawing = true;
  while (frame?.playing && !document.hidden && !over) {
    const begun = performance.now(), mine = run;
    try {
      const answer = await ask('frame', { session, generation, have: curve.length });
      if (mine === run) take(answer.frame);
    } catch (error) { trouble(error); break; }
    await new Promise(done => setTimeout(done, Math.max(0, EVERY() - (performance.now() - begun))));
    await new Promise(requestAnimationFrame);
  }
  drawing = false;
}

function take(next) {
  const was = frame?.playing;
  if (next.curve.generation !== generation) { curve = []; generation = next.curve.generation; }
  curve = [...curve.slice(0, next.curve.start), ...next.curve.points];
  frame = next;
  network.update(frame);
  output(); numbers(); doctor(); transport();
  if (frame.message) alertWith('Training has ended: ', `${frame.message} Then reset.`);
  if (was && !frame.playing) announce(`Paused after ${plural(frame.step, 'step')}. Training loss ${shown(frame.losses[0])}, test loss ${shown(frame.losses[1])}.`);
  if (frame.playing) watch();
}

// ---- what surrounds the network -----------------------------------------------------------------------------------

function transport() {
  const playing = !!frame.playing;
  $('play-icon').setAttribute('d', playing ? 'M5 3.5h3.6v13H5zM11.4 3.5H15v13h-3.6z' : 'M6 3.2v13.6L17 10z');
  $('play').setAttribute('aria-label', playing ? 'Pause' : 'Play');
  if (!over) for (const id of ['play', 'step', 'epoch']) $(id).disabled = !!frame.message;
  say($('epochs'), frame.epoch.toLocaleString('en'));
  say($('steps'), frame.step.toLocaleString('en'));
  say($('pace'), playing && frame.speed !== null ? Math.round(frame.speed).toLocaleString('en') : '–');
}

const percent = v => v === null ? '–' : `${(100 * v).toFixed(1)} %`;
const score = v => frame.metric === 'accuracy' ? `${percent(v)} right` : `R² ${v === null ? '–' : shown(v, 3)}`;
function numbers() {
  const box = (kind, title, i) => h('div', { class: kind }, h('span', {}, title), h('b', {}, frame.losses[i] === null ? 'not finite' : shown(frame.losses[i])), h('span', {}, score(frame.scores[i])));
  $('losses').replaceChildren(box('train', 'training', 0), box('test', 'test', 1));
  losses($('curve'), curve, $('log').checked);
  $('curve').setAttribute('aria-label', `Losses over ${plural(frame.step, 'step')}: training ${shown(frame.losses[0])}, test ${shown(frame.losses[1])}`);
  $('losses').dataset.exact = JSON.stringify(frame.exact);
  $('losses').dataset.step = frame.step;
}

/** The color of a number between the ends of its axis, 0 to 1. */
function ramp(t) {
  const p = palette(), end = t < .5 ? p.minus : p.plus, part = Math.abs(t - .5) * 2;
  return p.mid.map((v, i) => Math.round(v + (end[i] - v) * part));
}

function output() {
  const canvas = $('boundary'), { kind, points: all } = setup, found = frame.output, flat = setup.axes.length === 1;
  const p = palette(), color = row => kind === 'numbers' ? (flat ? p.plus : ramp(row[row.length - 2])) : p.classes[row[row.length - 1]], shape = row => kind === 'numbers' ? 0 : row[row.length - 1];
  let pen, width, height;
  if (flat) {
    ({ pen, width, height } = sharp(canvas));
    pen.fillStyle = css(p.mid);
    pen.fillRect(0, 0, width, height);
    pen.strokeStyle = p.grid;
    pen.lineWidth = 1;
    for (const t of [.25, .5, .75]) { pen.beginPath(); pen.moveTo(0, t * height); pen.lineTo(width, t * height); pen.moveTo(t * width, 0); pen.lineTo(t * width, height); pen.stroke(); }
  } else {
    const maps = found.maps.map(bytes), size = Math.sqrt(maps[0].length);
    if (kind === 'numbers') signed(canvas, maps[0], 127.5, .8); else classes(canvas, maps);
    ({ clientWidth: width, clientHeight: height } = canvas);
    pen = canvas.getContext('2d');
    if (kind === 'two classes') contour(canvas, i => maps[0][i] - 127.5, size);
    else if (kind === 'classes') maps.forEach((own, k) => contour(canvas, i => own[i] - .01 - Math.max(...maps.filter((_, j) => j !== k).map(m => m[i])), size));
  }
  const place = row => [row[0] * width, (1 - row[1]) * height];
  if ($('show-test').checked) points(pen, all.test, place, color, shape, false, kind === 'numbers' && !flat);
  points(pen, all.train, place, color, shape, true, kind === 'numbers' && !flat);
  if (flat) {
    for (const [style, wide] of [[p.halo, 6], [p.ink, 3]]) {
      pen.strokeStyle = style; pen.lineWidth = wide; pen.lineJoin = 'round';
      pen.beginPath();
      found.curve.forEach((v, i) => { if (v !== null) pen.lineTo(i / (found.curve.length - 1) * width, (1 - Math.max(-1, Math.min(2, v))) * height); });
      pen.stroke();
    }
  }
  const word = kind === 'numbers' ? 'Answers of the network' : 'Decision boundary';
  canvas.setAttribute('aria-label', `${word} with ${all.train.length} training and ${all.test.length} test points; ${score(frame.scores[0])} in training, ${score(frame.scores[1])} in the test`);
}

function surroundings() {
  const [low, high] = setup.domain, flat = setup.axes.length === 1;
  say($('low-x'), shown(low[0], 3)); say($('high-x'), shown(high[0], 3)); say($('name-x'), setup.axes[0]);
  say($('low-y'), shown(flat ? setup.range[0] : low[1], 3)); say($('high-y'), shown(flat ? setup.range[1] : high[1], 3)); say($('name-y'), flat ? 'y' : setup.axes[1]);
  const icon = k => { const box = s('svg', { viewBox: '0 0 13 13', 'aria-hidden': 'true' }), d = trace(k); box.append(s('path', { d, fill: css(palette().classes[k]) })); return box; };
  const items = setup.classes ? setup.classes.map((name, k) => h('li', {}, icon(k), name)) : flat ? [] : [h('li', {}, shown(setup.range[0], 3), gradient(), shown(setup.range[1], 3))];
  $('legend').replaceChildren(...items, h('li', {}, setup.classes || flat ? 'filled: training, ring: test' : 'with a dot: test'), ...(setup.classes ? [h('li', {}, 'line: decision')] : []));
  $('notes').replaceChildren(...setup.notes.map(note => h('li', {}, note)));
  say($('probe'), '');
}

function gradient() {
  const e = h('span', { class: 'ramp' }), p = palette();
  e.style.background = `linear-gradient(90deg, ${css(p.minus)}, ${css(p.mid)}, ${css(p.plus)})`;
  return e;
}

/** The mark of a class as an SVG path: what `mark` draws. */
function trace(k) {
  let d = '';
  const to = (x, y) => { d += `${d ? 'L' : 'M'}${x.toFixed(2)} ${y.toFixed(2)}`; };
  mark({ beginPath() {}, closePath() {}, arc: (x, y, r) => { for (let i = 0; i < 24; i++) to(x + r * Math.cos(i * Math.PI / 12), y + r * Math.sin(i * Math.PI / 12)); }, lineTo: to }, k, 6.5, 7, 4.4);
  return `${d}Z`;
}

function probe(e) {
  const canvas = $('boundary'), box = canvas.getBoundingClientRect(), x = (e.clientX - box.left) / box.width, y = (e.clientY - box.top) / box.height;
  if (x < 0 || y < 0 || x >= 1 || y >= 1) return;
  const [low, high] = setup.domain, raw = [low[0] + x * (high[0] - low[0]), setup.axes.length > 1 ? high[1] - y * (high[1] - low[1]) : null], at = setup.axes.map((name, i) => `${name} ${shown(raw[i], 3)}`).join(', ');
  let answer;
  if (frame.output.curve) {
    const v = frame.output.curve[Math.round(x * (frame.output.curve.length - 1))];
    answer = v === null ? 'not finite' : shown(setup.range[0] + v * (setup.range[1] - setup.range[0]), 3);
  } else {
    const maps = frame.output.maps.map(bytes), size = Math.sqrt(maps[0].length), i = Math.floor(y * size) * size + Math.floor(x * size);
    if (setup.kind === 'numbers') answer = `about ${shown(setup.range[0] + maps[0][i] / 255 * (setup.range[1] - setup.range[0]), 3)}`;
    else { const p = maps.length > 1 ? maps.map(m => m[i] / 255) : [1 - maps[0][i] / 255, maps[0][i] / 255], k = p.indexOf(Math.max(...p)); answer = `${setup.classes[k]}${settings.loss === 'hinge' ? '' : ` (${Math.round(100 * p[k])} %)`}`; }
  }
  say($('probe'), `${at}: ${answer}`);
}

function doctor() {
  const found = frame.doctor;
  if (!found) return;
  const title = path => { const n = +(path.match(/\d+/)?.[0] ?? 0); return n < settings.hidden.length ? `hidden ${n + 1}` : 'output'; };
  $('findings').replaceChildren(...(found.findings.length ? found.findings.map(f => h('li', {}, h('b', {}, f.problem), `${f.layer ? ` at ${title(f.layer)}` : ''}: ${f.evidence}. ${f.cure}`)) : [h('li', { class: 'healthy' }, h('b', {}, 'healthy'), ': signals and gradients keep their size from layer to layer.')]));
  const most = key => Math.max(...found.layers.map(l => l[key] ?? 0), 1e-30);
  const bar = (kind, v, top) => { const i = h('i'); i.style.width = `${v > 0 ? Math.max(2, 100 * (1 + Math.log10(v / top) / 6)) : 0}%`; return h('span', { class: `bar ${kind}`, 'aria-hidden': 'true' }, i); };
  const share = v => v === null ? '' : `${Math.round(100 * v)} %`, cell = (...content) => h('td', {}, ...content);
  $('flow').replaceChildren(
    h('caption', { class: 'sr' }, `Layers after ${plural(found.step, 'step')}`),
    h('thead', {}, h('tr', {}, ...['layer', 'signal', 'gradient', 'gradient / weights', 'dead', 'saturated'].map(t => h('th', { scope: 'col' }, t)))),
    h('tbody', {}, ...found.layers.map(l => h('tr', {}, h('th', { scope: 'row' }, title(l.path)), cell(bar('signal', l.signal, most('signal')), h('span', { class: 'fixed' }, shown(l.signal, 3))), cell(bar('gradient', l.gradient, most('gradient')), h('span', { class: 'fixed' }, shown(l.gradient, 3))), cell(l.update === null ? '' : shown(l.update, 3)), cell(share(l.dead)), cell(share(l.saturated))))));
}

// ---- controls -------------------------------------------------------------------------------------------------------

const NAMES = { init: { auto: 'auto (suits it)' } };
const options = (select, names, chosen, label = n => n) => { select.replaceChildren(...names.map(n => h('option', { value: String(n) }, label(n)))); select.value = String(chosen); };
const spoken = name => name.replaceAll('_', ' ');

const written = v => Math.abs(v) >= 1e6 ? v.toExponential().replace('e+', 'e') : String(v);

/** Let all controls show the settings. */
function fields() {
  for (const name of ['activation', 'init', 'optimizer']) options($(name), about.choices[name], settings[name], n => NAMES[name]?.[n] ?? spoken(n));
  options($('loss'), setup.losses, settings.loss, spoken);
  const sizes = [...new Set([1, 2, 5, 10, 20, 50, 100, settings.batch_size ?? 10])].sort((a, b) => a - b);
  options($('batch_size'), [...sizes, 'all'], settings.batch_size ?? 'all');
  $('learning_rate').value = written(settings.learning_rate);
  $('weight_decay').value = written(settings.weight_decay);
  for (const radio of document.querySelectorAll('.tile input')) radio.checked = radio.value === settings.data;
  $('points').max = settings.data === 'csv' ? 2000 : 1000;
  for (const name of ['noise', 'points', 'test', 'seed']) $(name).value = settings[name];
  slides();
  $('noise-field').hidden = settings.data === 'csv';
  $('csv').hidden = settings.data !== 'csv';
  tableFields();
  say($('layers'), plural(settings.hidden.length, 'hidden layer'));
  $('fewer').disabled = settings.hidden.length <= about.limits.layers[0];
  $('more').disabled = settings.hidden.length >= about.limits.layers[1];
}

function slides() {
  say($('noise-value'), Number($('noise').value).toFixed(2));
  say($('points-value'), $('points').value);
  say($('test-value'), `${Math.round(100 * $('test').value)} %`);
}

function tableFields() {
  $('columns').hidden = !table;
  say($('file-name'), table ? table.name : 'Two columns of numbers and a target. The file goes to the playground on this computer and nowhere else.');
  if (!table) return;
  [table.features, table.features, table.targets].forEach((names, i) => options($(`column-${i}`), names, settings.columns[i] ?? names[0]));
}

/** Learning rate and speed change at once; all else begins anew. */
async function setRate() {
  const value = Number($('learning_rate').value);
  if ($('learning_rate').value === '' || !Number.isFinite(value)) { alertWith('This cannot be done: ', 'the learning rate wants a number, such as 0.01.'); $('learning_rate').value = written(frame.rate); return; }
  if (!frame.step || frame.message) { await start({ learning_rate: value }); return; }
  const mine = run;
  try {
    const answer = await ask('act', { session, action: 'rate', value, generation, have: curve.length });
    if (mine !== run) return;
    alertWith('');
    take(answer.frame);
    announce(`Learning rate ${shown(value)} from step ${frame.step + 1} on.`);
    settings.learning_rate = value;
    remember();
  } catch (error) { trouble(error); $('learning_rate').value = written(frame.rate); }
}

function changed(name, value) { start({ [name]: value }, `${spoken(name)} changed: begun anew.`); }

const network = new Network($('net'), $('inspector'), $('key'), {
  change: (hidden, what) => { network.wanted = what; start({ hidden }, `Hidden layers: ${hidden.join(', ') || 'none'}.`); },
  toggle: (name, place) => {
    const on = setup.inputs.filter(i => i.used !== (i.name === name)).map(i => i.name);
    network.wanted = place;
    start({ features: on }, 'Inputs changed: begun anew.');
  },
});
network.limits = about.limits;

function tiles() {
  $('tiles').replaceChildren(...about.data.map(d => h('label', { class: 'tile' }, h('input', { type: 'radio', name: 'data', value: d.name, onchange: () => choose(d.name) }), h('canvas', { 'aria-hidden': 'true' }), d.label)));
}
function thumbnails() {
  [...document.querySelectorAll('.tile canvas')].forEach((canvas, i) => {
    const { pen, width, height } = sharp(canvas), p = palette(), size = Math.min(width, height) - 12, flat = about.data[i].name === 'sines';
    if (!width) return;
    const wide = flat ? width - 14 : size;
    if (!about.data[i].points.length) { // a table
      pen.strokeStyle = p.mute; pen.lineWidth = 1.2;
      const w = 44, t = 30, x0 = (width - w) / 2, y0 = (height - t) / 2;
      pen.strokeRect(x0, y0, w, t);
      pen.fillStyle = css(p.plus); pen.globalAlpha = .25; pen.fillRect(x0, y0, w, t / 4); pen.globalAlpha = 1;
      pen.beginPath();
      for (let k = 1; k < 4; k++) { pen.moveTo(x0, y0 + k * t / 4); pen.lineTo(x0 + w, y0 + k * t / 4); }
      for (let k = 1; k < 3; k++) { pen.moveTo(x0 + k * w / 3, y0); pen.lineTo(x0 + k * w / 3, y0 + t); }
      pen.stroke();
    }
    for (const [x, y, k] of about.data[i].points) {
      pen.fillStyle = flat ? css(p.plus) : css(p.classes[k]);
      mark(pen, flat ? 0 : k, (width - wide) / 2 + x * wide, (height - size) / 2 + (1 - y) * size, 1.9);
      pen.fill();
    }
  });
}

function choose(name) {
  if (name === 'csv' && !table) {
    run++;
    $('csv').hidden = false; $('noise-field').hidden = true;
    tableFields();
    $('file').focus();
    announce('Choose a CSV file.');
    return;
  }
  start({ data: name, loss: 'auto', ...(name === 'csv' ? {} : { columns: [] }), ...(name === 'csv' && !settings.columns.length ? { columns: table.usual } : {}) }, `Data: ${about.data.find(d => d.name === name).label}.`);
}

async function upload() {
  const [file] = $('file').files;
  if (!file) return;
  if (file.size > 2.5e6) { alertWith('This cannot be done: ', `${file.name} has ${(file.size / 1e6).toFixed(1)} MB; a page can send 2.5 MB. Start with: autograd-nn playground --data ${file.name}`); return; }
  await start({}, `Data: ${file.name}.`, { load: { name: file.name, text: await file.text() } });
  $('file').value = '';
}

function theme(to) {
  document.documentElement.dataset.theme = to;
  say($('theme'), to === 'dark' ? 'Light' : 'Dark');
  thumbnails();
  if (frame) { surroundings(); network.build(setup, false); output(); numbers(); }
}
const turn = () => { const to = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark'; store('playground-theme', to); theme(to); };
function store(key, value) { try { localStorage.setItem(key, value); } catch { /* private windows */ } }
function stored(key) { try { return localStorage.getItem(key); } catch { return null; } }

/** The settings stand in the address, so that a bookmark, or a reload, brings them back. */
function remember() {
  history.replaceState(null, '', `#${new URLSearchParams(Object.entries(settings).map(([k, v]) => [k, JSON.stringify(v)]))}`);
}
function remembered() {
  try { return Object.fromEntries([...new URLSearchParams(location.hash.slice(1))].filter(([k]) => k in about.first).map(([k, v]) => [k, JSON.parse(v)])); } catch { return {}; }
}

async function python() {
  const dialog = $('code');
  try {
    const found = await ask('program', { session });
    say($('program'), found.code);
    say($('code-note'), `${plural(found.step, 'step')} so far. It runs as it stands, and prints the losses of this moment, bit for bit.`);
    say($('copy'), 'Copy');
    if (!dialog.open) dialog.showModal();
    $('copy').focus();
  } catch (error) { trouble(error); }
}
async function copy() {
  try {
    await navigator.clipboard.writeText($('program').textContent);
    say($('copy'), 'Copied');
    announce('Copied.');
  } catch {
    getSelection().selectAllChildren($('program'));
    say($('copy'), 'Press Ctrl+C');
  }
}

const toggle = () => act(frame.playing ? 'pause' : 'play');
async function end() {
  $('end').disabled = true;
  try { await ask('close', {}); } catch { /* it is gone already */ }
  gone();
}

const KEYS = { ' ': toggle, p: toggle, s: () => act('step'), e: () => act('epoch'), r: () => start(), c: python, x: () => $('explore').click(), d: turn, '?': () => $('help').showModal(), g: () => { const other = document.querySelector('[name=lines]:not(:checked)'); other.checked = true; network.show(other.value); announce(`Lines show ${other.value}s.`); } };
addEventListener('keydown', e => {
  if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector('dialog[open]') || !$('shortcuts').checked || (over && !'d?'.includes(e.key))) return;
  const busy = e.target.closest('input[type=number], select'), pressed = e.target.closest('button, a, summary, input');
  if (busy || (e.key === ' ' && pressed) || !(e.key in KEYS) || !frame || ('pse '.includes(e.key) && frame.message)) return;
  e.preventDefault();
  KEYS[e.key]();
});

$('play').onclick = toggle;
$('step').onclick = () => act('step');
$('epoch').onclick = () => act('epoch');
$('reset').onclick = () => start();
$('python').onclick = python;
$('copy').onclick = copy;
$('theme').onclick = turn;
$('keys').onclick = () => $('help').showModal();
$('end').onclick = end;
$('file').onchange = upload;
$('log').onchange = numbers;
$('show-test').onchange = output;
$('boundary').onpointermove = probe;
$('boundary').onpointerleave = () => say($('probe'), '');
$('learning_rate').onchange = setRate;
$('fewer').onclick = () => start({ hidden: settings.hidden.slice(0, -1) }, 'A layer removed.');
$('more').onclick = () => start({ hidden: [...settings.hidden, settings.hidden.at(-1) ?? 4] }, 'A layer added.');
$('dice').onclick = () => changed('seed', (settings.seed + 1) % 1000000);
for (const name of ['activation', 'init', 'optimizer', 'loss']) $(name).onchange = () => changed(name, $(name).value);
for (const name of ['weight_decay', 'seed', 'noise', 'points', 'test']) $(name).onchange = () => changed(name, $(name).value === '' ? null : Number($(name).value));
$('batch_size').onchange = () => changed('batch_size', $('batch_size').value === 'all' ? null : Number($('batch_size').value));
for (const name of ['noise', 'points', 'test']) $(name).oninput = slides;
for (const i of [0, 1, 2]) $(`column-${i}`).onchange = () => start({ columns: [0, 1, 2].map(k => $(`column-${k}`).value), loss: 'auto' }, 'Columns changed: begun anew.');
for (const radio of document.querySelectorAll('[name=lines]')) radio.onchange = () => network.show(radio.value);
for (const button of document.querySelectorAll('dialog .close')) button.onclick = () => button.closest('dialog').close();
options($('speed'), SPEEDS.map(([v]) => v ?? 'max'), '100', v => SPEEDS.find(([w]) => String(w ?? 'max') === String(v))[1]);
$('speed').onchange = () => { speed = $('speed').value === 'max' ? null : Number($('speed').value); act('speed', speed); };
new ResizeObserver(() => { if (frame) { output(); numbers(); thumbnails(); } }).observe($('boundary'));
for (const id of ['data-details', 'settings-details']) $(id).ontoggle = thumbnails;
const narrow = matchMedia('(max-width: 720px)');
const unfold = () => { for (const id of ['data-details', 'settings-details']) $(id).open = !narrow.matches; };
narrow.addEventListener('change', unfold);
for (const summary of document.querySelectorAll('summary')) summary.addEventListener('click', e => { if (!narrow.matches) e.preventDefault(); });
const focusable = () => { for (const summary of document.querySelectorAll('summary')) summary.tabIndex = narrow.matches ? 0 : -1; };
narrow.addEventListener('change', focusable);
dark.addEventListener('change', () => { if (!stored('playground-theme')) theme(dark.matches ? 'dark' : 'light'); });
document.addEventListener('visibilitychange', () => {
  if (!frame || over) return;
  if (document.hidden) { resume = frame.playing; if (resume) act('pause'); } else if (resume) act('play');
});
addEventListener('pagehide', () => { if (session && !over) ask('leave', { session }, { keepalive: true }).catch(() => null); });

(async () => {
  unfold(); focusable(); tiles();
  theme(stored('playground-theme') ?? (dark.matches ? 'dark' : 'light'));
  const first = settings, asked = { ...first, ...remembered() };
  settings = asked;
  if (!await start({}, 'Ready.') && !over) {
    const said = $('alert').textContent;
    settings = first;
    if (await start({}, 'Ready.')) alertWith('', said);
  }
  document.documentElement.dataset.ready = '1';
})();
