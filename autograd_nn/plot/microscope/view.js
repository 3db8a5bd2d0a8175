// The page: the microscope of one network, or the replay of a run with the microscope at each step.
(() => {
  'use strict';
  const { h, set, icon, button } = Elements, T = Timeline, root = document.getElementById('ag-root');
  const payload = JSON.parse(window.autogradData), replaying = payload.kind === 'replay', number = v => typeof v === 'string' ? Number(v) : v;
  const reduced = matchMedia('(prefers-reduced-motion: reduce)');
  const data = {
    payload, span: payload.span, output: payload.output || 0, decision: payload.decision, curve: payload.curve || [[], []], validation: payload.validation || [[], []],
    title: T.clean(payload.title, 80), features: payload.features.map(n => T.clean(n, 24)), outputs: payload.outputs.map(n => T.clean(n, 24)), classes: (payload.classes || []).map(n => T.clean(n, 24)), points: payload.points,
    one: payload.outputs.length === 1, // output, whose sign tells two classes apart: they have the colours of low and high
  };

  // ---- the network at each step -----------------------------------------------------------------------------------

  const made = new Map();
  function layersAt(i) {
    if (!payload.layers) return null;
    if (!made.has(i)) {
      if (made.size > 40) made.clear();
      const step = payload.steps[i];
      made.set(i, payload.layers.map((layer, k) => {
        const [w, b] = step.net ? step.net[k] : payload.refs[k].map(r => step.w[r]);
        return { ...layer, name: T.clean(layer.name, 24), w: w.map(number), b: b.map(number) };
      }));
    }
    return made.get(i);
  }

  // ---- what the two pages share -----------------------------------------------------------------------------------

  let playing = null, overlay = null, tab = replaying ? 'training' : 'neurons';
  const PLAY = 'M4 2.5v11l9-5.5z', PAUSE = 'M4 3h2.6v10H4zM9.4 3H12v10H9.4z';
  const playText = h('span', {}, 'Play'), playIcon = icon(PLAY), live = h('div', { class: 'sr', 'aria-live': 'polite', 'aria-atomic': 'true' });
  const play = h('button', { type: 'button', class: 'play', title: 'Play or pause (Space)', 'aria-pressed': 'false', onclick: () => toggle() }, playIcon, playText);
  const side = h('aside', { class: 'side', 'aria-label': 'Explanation', tabindex: 0 }), main = h('div', { class: 'main', tabindex: -1 });
  const range = h('input', { type: 'range', min: 0, value: 0, 'aria-label': 'Step', oninput: () => go(+range.value) }), count = h('span', { class: 'num count' });
  const left = h('span', { class: 'fw' }), right = h('span', { class: 'fw' });
  left.style.flex = '1';
  right.style.textAlign = 'right';

  const replay = replaying ? Replay.make({ data, root, layersAt, go: i => go(i), base: i => { replay.state.base = i; replay.layout(); told(); }, explore: () => explore() }) : null;
  const lens = payload.layers && data.span ? Lens.make({ data, root, layers: () => layersAt(current()), version: () => current(), moved: () => told() }) : null;
  function current() { return replay ? replay.state.at : 0; }
  const end = () => replay ? payload.steps.length - 1 : lens.end(), at = () => replay ? replay.state.at : lens.state.k;

  const tabs = replay && lens ? [['training', 'Training'], ['neurons', 'Neurons']].map(([id, label]) => h('button', { type: 'button', role: 'tab', id: 'tab-' + id, 'aria-controls': 'panel-' + id, title: `${label} (t)`, onclick: () => show(id) }, label)) : [];
  const add = replay && lens ? h('div', { class: 'adder' }, button(icon('M11 2L4 8l7 6z'), 'One contribution less (,)', () => lens.go(lens.state.k - 1)), h('span', { class: 'num adder-count' }), button(icon('M5 2l7 6-7 6z'), 'One contribution more (.)', () => lens.go(lens.state.k + 1))) : null;
  if (add) lens.el.firstChild.append(add);
  root.append(
    h('div', { class: 'bar', role: 'toolbar', 'aria-label': replaying ? 'Replay' : 'Microscope' },
      h('h1', { title: data.title }, data.title),
      h('div', { class: 'steps' },
        button(icon('M3 2v12M13 2L6 8l7 6z'), 'First step (Home)', () => go(0)), button(icon('M11 2L4 8l7 6z'), 'Step back (←)', () => go(at() - 1)), play,
        button(icon('M5 2l7 6-7 6z'), 'Step forward (→)', () => go(at() + 1)), button(icon('M13 2v12M3 2l7 6-7 6z'), 'Last step (End)', () => go(end()))),
      h('span', { class: 'space' }), tabs.length ? h('div', { class: 'tabs', role: 'tablist', 'aria-label': 'View' }, tabs) : null,
      button(icon('M8 1.5a6.5 6.5 0 1 0 0 13zM8 1.5v13'), 'Light or dark (d)', () => theme())),
    main, side, h('div', { class: 'time' }, h('div', { class: 'track' }, range, h('div', { class: 'labels', 'aria-hidden': 'true' }, left, right)), count), live);
  root.setAttribute('role', 'main');
  root.classList.add('scope');
  for (const [part, id] of [[replay, 'training'], [lens, 'neurons']]) if (part) {
    main.append(part.el);
    if (tabs.length) for (const [k, v] of [['id', 'panel-' + id], ['role', 'tabpanel'], ['aria-labelledby', 'tab-' + id]]) part.el.setAttribute(k, v);
  }
  if (payload.note) main.append(h('p', { class: 'mute note' }, T.clean(payload.note, 400)));

  const theme = Elements.theme(root);
  new MutationObserver(() => redraw()).observe(root, { attributes: true, attributeFilter: ['data-theme'] });

  // ---- going about ------------------------------------------------------------------------------------------------

  function show(id) {
    tab = id;
    if (tabs.length) tabs.forEach(b => { const on = b.id === 'tab-' + id; b.setAttribute('aria-selected', String(on)); b.tabIndex = on ? 0 : -1; });
    if (replay) replay.el.hidden = id !== 'training';
    if (lens) lens.el.hidden = id !== 'neurons';
    redraw();
    told();
  }

  function redraw() {
    if (replay && tab === 'training') replay.layout();
    else if (lens) lens.render();
  }

  function go(i) {
    const to = Math.max(0, Math.min(end(), i));
    if (replay) {
      replay.state.at = to;
      if (tab === 'training') replay.render(); else lens.render();
      told();
    } else lens.go(to);
    if (playing && at() === end()) toggle();
  }

  function toggle() {
    if (playing) { clearInterval(playing); playing = null; }
    else {
      if (at() === end()) go(0);
      playing = setInterval(() => go(at() + 1), replay ? (reduced.matches ? 700 : 220) : 1100);
    }
    set(playText, playing ? 'Pause' : 'Play');
    playIcon.firstChild.setAttribute('d', playing ? PAUSE : PLAY);
    play.setAttribute('aria-pressed', String(!!playing));
  }

  // The words: beside the picture, in the live region, on the slider.
  function told() {
    const part = tab === 'neurons' ? lens.explanation() : replay.explanation(), focused = side.contains(document.activeElement) ? document.activeElement.dataset.f : null;
    if (replay && tab === 'neurons') part.parts.unshift(h('p', { class: 'mute' }, `${replay.title(replay.run.steps[current()])}`));
    part.parts.push(keys());
    const scroll = side.scrollTop;
    side.replaceChildren(...part.parts);
    side.scrollTop = scroll;
    if (focused) side.querySelector(`[data-f="${focused}"]`)?.focus({ preventScroll: true });
    const said = part.told.sentence;
    if (!playing) set(live, said);
    range.max = end();
    range.value = at();
    range.setAttribute('aria-valuetext', replay ? replay.title(replay.run.steps[at()]) : part.told.heading + ', ' + part.told.phase);
    set(count, `${at()} / ${end()}`);
    set(left, replay ? replay.title(replay.run.steps[0]) : 'contributions, one by one →');
    set(right, replay ? replay.title(replay.run.steps[end()]) : 'bias, output');
    if (add) set(add.children[1], `${lens.state.k} / ${lens.end()}`);
  }

  function keys() {
    const key = (k, what) => [h('dt', {}, h('kbd', {}, k)), h('dd', {}, what)];
    return h('dl', { class: 'keys' }, key('→ ←', 'step'), key('Space', 'play'), key('Home End', 'first, last'), lens ? key('o', 'the output') : null, add ? key('. ,', 'contributions') : null, tabs.length ? key('t', 'training, neurons') : null, replay ? key('m', 'compare') : null, replay && payload.shell ? key('g', 'graph') : null, key('d', 'dark'));
  }

  // ---- the graph of a step, in the explorer -----------------------------------------------------------------------

  async function explore() {
    const packed = replay && payload.steps[current()].graph;
    if (!packed || overlay) return;
    if (playing) toggle();
    const bytes = Uint8Array.from(atob(payload.shell), c => c.charCodeAt(0));
    const shell = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).text();
    if (overlay) return;
    const frame = h('iframe', { title: `Explorer of ${replay.title(replay.run.steps[current()])}`, sandbox: 'allow-scripts' });
    frame.srcdoc = shell.replace('@data@', () => packed);
    const close = button('Close (Esc)', 'Close the explorer', () => leave());
    overlay = h('div', { class: 'overlay', role: 'dialog', 'aria-modal': 'true', 'aria-label': 'Explorer' }, h('div', { class: 'overlay-bar' }, h('span', {}, `graph of the loss at ${replay.title(replay.run.steps[current()])}`), close), frame);
    root.append(overlay);
    for (const e of [...root.children]) if (e !== overlay) e.inert = true;
    close.focus();
  }

  function leave() {
    if (!overlay) return;
    overlay.remove();
    overlay = null;
    for (const e of root.children) e.inert = false;
    side.querySelector('[data-f=graph]')?.focus();
  }

  addEventListener('message', e => { // the explorer asks for the theme
    const frame = overlay && overlay.querySelector('iframe');
    if (frame && e.source === frame.contentWindow && e.data && e.data.autogradReady) { frame.contentWindow.postMessage({ autogradTheme: root.dataset.theme }, '*'); frame.dataset.ready = '1'; }
  });

  const base = () => { if (replay) { replay.state.base = replay.state.base === null ? replay.state.at : null; replay.layout(); told(); } };
  const KEYS = {
    ArrowRight: () => go(at() + 1), ArrowLeft: () => go(at() - 1), Home: () => go(0), End: () => go(end()), ' ': () => toggle(), d: () => theme(),
    ...(lens ? { o: () => lens.look(layersAt(current()).length, data.output), '.': () => lens.go(lens.state.k + 1), ',': () => lens.go(lens.state.k - 1) } : {}),
    ...(replay ? { m: base, g: () => explore() } : {}), ...(tabs.length ? { t: () => show(tab === 'training' ? 'neurons' : 'training') } : {}),
  };
  addEventListener('keydown', e => {
    if (overlay) { if (e.key === 'Escape') leave(); return; }
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const field = e.target.closest && e.target.closest('input, select');
    if (tabs.includes(e.target) && (e.key === 'ArrowRight' || e.key === 'ArrowLeft')) { const other = tabs.find(b => b !== e.target); other.focus(); show(other.id.slice(4)); e.preventDefault(); return; }
    if (field && field !== range && (field.tagName === 'SELECT' || /^(Arrow|Home|End)/.test(e.key))) return;
    if (!Object.hasOwn(KEYS, e.key) || (e.key === ' ' && e.target.closest && e.target.closest('button'))) return;
    e.preventDefault();
    KEYS[e.key]();
  });

  let width = 0;
  new ResizeObserver(() => { if (Math.abs(main.clientWidth - width) > 4) { width = main.clientWidth; redraw(); } }).observe(main);
  const start = performance.now();
  show(tab);
  width = main.clientWidth;
  root.dataset.ms = (performance.now() - start).toFixed(1);
  root.dataset.ready = '1';
  if (parent !== window) parent.postMessage({ autogradReady: 1 }, '*');
})();
