// Every text on the page whose contrast with what is behind it is below 4.5 : 1 (WCAG 2, AA).
() => {
  const light = color => {
    const [r, g, b] = color.map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ratio = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + .05) / (y + .05);
  };
  const parsed = text => { // rgb(…), rgba(…) or color(srgb …), as color-mix gives it
    const m = text.match(/[\d.]+/g).map(Number), unit = text.startsWith('color') ? 255 : 1;
    return { color: m.slice(0, 3).map(v => v * unit), alpha: m.length > 3 ? m[3] : 1 };
  };
  const over = (top, under) => top.color.map((v, i) => v * top.alpha + under[i] * (1 - top.alpha));
  const style = e => getComputedStyle(e);
  const paper = parsed(style(document.getElementById('ag-root')).backgroundColor).color;
  const low = [];
  const check = (e, ink, ground) => {
    const found = ratio(over(parsed(ink), ground), ground);
    if (found < 4.5) low.push([e.textContent.slice(0, 40), e.getAttribute('class'), found.toFixed(2)]);
  };
  const behind = e => {
    let ground = paper;
    const chain = [];
    for (; e && e.nodeType === 1; e = e.parentElement) chain.unshift(parsed(style(e).backgroundColor));
    for (const layer of chain) ground = over(layer, ground);
    return ground;
  };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let t = walk.nextNode(); t; t = walk.nextNode()) {
    const e = t.parentElement;
    if (!t.data.trim() || e.closest('script, style, noscript, svg, .sr') || !e.getClientRects().length) continue;
    check(e, style(e).color, behind(e));
  }
  for (const e of document.querySelectorAll('.stage text')) {
    const card = e.closest('.node, .pill');
    let ground = paper;
    for (const box of document.querySelectorAll('.box')) ground = over(parsed(style(box).fill), ground);
    if (card && !e.classList.contains('flag')) {
      const under = card.querySelector(e.classList.contains('sym') ? '.glyph' : 'rect');
      ground = over(parsed(style(under).fill), ground);
    }
    check(e, style(e).fill, ground);
  }
  return low;
}
