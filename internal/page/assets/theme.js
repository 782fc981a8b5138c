// Before anything is drawn: the colours that the user chose, that there is a script at all, and that another could not be had.
'use strict';
{
  const root = document.documentElement;
  root.classList.add('script');
  try {
    const theme = localStorage.getItem('gpreach-theme');
    if (theme === 'light' || theme === 'dark') root.dataset.theme = theme;
  } catch { /* no storage here: the system's colours */ }
  addEventListener('error', (e) => { // no load's error bubbles
    const notice = document.getElementById('notice');
    if (!notice || !(e.target instanceof HTMLScriptElement)) return;
    notice.hidden = false;
    notice.textContent = 'A script of this page did not load, so that no host is shown. Load the page anew.';
  }, true);
}
