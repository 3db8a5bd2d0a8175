// Every text on the page whose contrast with what is behind it is below 4.5 : 1 (WCAG 2, AA).
() => {
  const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
  const parsed = t => { const m = t.match(/[\d.]+/g).map(Number), unit = t.startsWith('color') ? 255 : 1; return [m.slice(0, 3).map(v => v * unit), m.length > 3 ? m[3] : 1]; };
  const over = ([c, a], under) => c.map((v, i) => v * a + under[i] * (1 - a));
  const low = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let t = walk.nextNode(); t; t = walk.nextNode()) {
    const e = t.parentElement;
    if (!t.data.trim() || e.closest('script, noscript, .sr, .skip, .node, :disabled') || !e.getClientRects().length) continue;
    let ground = [255, 255, 255];
    const chain = [];
    for (let a = e; a; a = a.parentElement) chain.unshift(parsed(getComputedStyle(a).backgroundColor));
    for (const layer of chain) ground = over(layer, ground);
    const ink = over(parsed(getComputedStyle(e).color), ground);
    const [x, y] = [light(ink), light(ground)].sort((p, q) => q - p), ratio = (x + .05) / (y + .05);
    if (ratio < 4.5) low.push([t.data.trim().slice(0, 40), ratio.toFixed(2)]);
  }
  return low;
}
