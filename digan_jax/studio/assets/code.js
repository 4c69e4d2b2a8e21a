const code = element.querySelector('code');
const button = element.querySelector('button');
const show = () => {
  code.textContent = props.value || '';
  button.disabled = !props.value;
};
button.addEventListener('click', async () => {
  await navigator.clipboard.writeText(props.value);
  button.textContent = 'Copied';
  setTimeout(() => { button.textContent = 'Copy'; }, 1500);
});
watch('value', show);
show();
