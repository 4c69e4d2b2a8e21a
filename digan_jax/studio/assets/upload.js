// Sends a file as it is chosen; the value is the token that the server gave it.
const input = element.querySelector('input');
const told = element.querySelector('p');
const say = (text, kind) => { told.textContent = text; told.className = kind || ''; };
input.addEventListener('change', async () => {
  const file = input.files[0];
  if (!file) return;
  props.value = null;
  say(`sending ${file.name} ...`);
  try {
    const answer = await fetch(`studio/upload?name=${encodeURIComponent(file.name)}`, {method: 'POST', body: file});
    const found = await answer.json();
    if (!answer.ok) { say(found.error, 'error'); return; }
    props.value = found;
    say(`${file.name} is there, ${(file.size / 1e3).toFixed(0)} kB.`);
  } catch (error) {
    say('the file could not be sent: the studio does not answer, or refuses files of this size.', 'error');
  }
});
