// A finished film: a player or a picture, and a link to save it.
const shown = element.querySelector('.shown');
const link = element.querySelector('a');
const note = element.querySelector('.note');
const show = () => {
  const made = props.value;
  element.querySelector('.result').hidden = !made;
  shown.replaceChildren();
  if (!made) return;
  link.href = made.url;
  link.download = made.name;
  link.textContent = `Save ${made.name}`;
  note.textContent = made.note;
  if (made.kind === 'video') {
    const video = document.createElement('video');
    Object.assign(video, {src: made.url, controls: true, loop: true, muted: true, autoplay: true, playsInline: true});
    video.setAttribute('aria-label', made.alt);
    shown.append(video);
  } else if (made.kind === 'picture') {
    const image = document.createElement('img');
    Object.assign(image, {src: made.url, alt: made.alt});
    shown.append(image);
  }
};
watch('value', show);
show();
