// The live frame. Dragging a rectangle over it triggers 'draw' with its corners as shares of the picture, y down.
const image = element.querySelector('img');
const box = element.querySelector('.box');
const caption = element.querySelector('figcaption');
const show = () => {
  const seen = props.value || {};
  if (seen.src) { image.src = seen.src; } else { image.removeAttribute('src'); }
  image.alt = seen.alt || 'no frame yet';
  caption.textContent = seen.caption || '';
};
watch('value', show);
show();

let from = null;
const place = event => {
  const r = image.getBoundingClientRect();
  const share = (x, size) => Math.min(1, Math.max(0, x / size));
  return [share(event.clientX - r.left, r.width), share(event.clientY - r.top, r.height)];
};
const corners = (a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]), Math.max(a[1], b[1])];
image.addEventListener('pointerdown', event => {
  if (event.pointerType === 'touch') return;  // a finger scrolls; zoom by the buttons
  event.preventDefault();
  from = place(event);
  image.setPointerCapture(event.pointerId);
});
image.addEventListener('pointermove', event => {
  if (!from) return;
  const [x0, y0, x1, y1] = corners(from, place(event));
  box.style.cssText = `left:${100 * x0}%;top:${100 * y0}%;width:${100 * (x1 - x0)}%;height:${100 * (y1 - y0)}%`;
  box.hidden = false;
});
image.addEventListener('pointerup', event => {
  if (!from) return;
  const drawn = corners(from, place(event));
  from = null;
  box.hidden = true;
  if (drawn[2] - drawn[0] > 0.03 && drawn[3] - drawn[1] > 0.03) trigger('draw', {box: drawn});
});
image.addEventListener('pointercancel', () => { from = null; box.hidden = true; });
