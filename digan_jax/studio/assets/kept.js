// Clips that were kept. The list lives in the page alone; the server stores nothing of it.
const list = element.querySelector('ol');
const show = () => {
  const clips = props.value || [];
  list.replaceChildren(...clips.map(clip => {
    const item = document.createElement('li'), image = document.createElement('img');
    Object.assign(image, {src: clip.src, alt: ''});
    item.append(image, `${clip.content} / ${clip.motion}`);
    return item;
  }));
  element.querySelector('p').hidden = clips.length > 0;
};
watch('value', show);
show();
