'use strict';
// Filters the cases. Without it the page shows all of them.
const form = document.getElementById('filter');
const which = document.getElementById('which');
const words = document.getElementById('words');
const shown = document.getElementById('shown');
const rows = [...document.querySelectorAll('tr.case')];
const found = [...document.querySelectorAll('article')];
const texts = new Map([...rows, ...found].map((e) => [e, e.querySelector('th, h3').textContent.toLowerCase()]));

function wanted(e) {
  const { worst, differs } = e.dataset;
  const level = which.value;
  if (level === 'differ' ? differs === undefined : level !== 'all' && Number(worst) < Number(level)) return false;
  // A number is an ID or the beginning of one; anything else is anywhere in the title.
  return words.value.toLowerCase().split(/\s+/).every((w) => {
    const text = texts.get(e).trim();
    return /^[\d.]+$/.test(w) ? `${text.split(/\s/)[0]}.`.startsWith(w.endsWith('.') ? w : `${w}.`) : text.includes(w);
  });
}

function filter() {
  let n = 0;
  for (const row of rows) {
    row.hidden = !wanted(row);
    if (!row.hidden) n++;
  }
  for (const part of document.querySelectorAll('.matrix tbody')) {
    part.hidden = !part.querySelector('tr.case:not([hidden])');
  }
  for (const article of found) article.hidden = !wanted(article);
  shown.textContent = `${n} of ${rows.length} cases`;
}

// A link to something found opens it, also where the browser does not.
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  const article = target.closest('article');
  if (article?.hidden) {
    form.reset();
    filter();
  }
  const details = target.closest('details') ?? article?.querySelector('details');
  if (details) details.open = true;
  target.scrollIntoView();
}

form.hidden = false;
form.addEventListener('input', filter);
form.addEventListener('submit', (e) => e.preventDefault());
addEventListener('hashchange', reveal);
filter();
reveal();
