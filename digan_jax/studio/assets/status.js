const line = element.querySelector('p');
const tell = () => {
  const told = props.value || {};
  line.textContent = told.text || '';
  line.className = told.kind || '';
  line.setAttribute('role', told.kind === 'error' ? 'alert' : 'status');
};
watch('value', tell);
tell();
