// Before anything is drawn: the colours that the user chose, and that there is a script at all.
'use strict';
{
  const root = document.documentElement;
  root.classList.add('script');
  try {
    const theme = localStorage.getItem('gpreach-theme');
    if (theme === 'light' || theme === 'dark') root.dataset.theme = theme;
  } catch { /* no storage here: the system's colours */ }
}
