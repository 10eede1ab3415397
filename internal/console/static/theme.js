// Runs before the page is painted, so that a chosen theme does not flash.
try {
  const theme = localStorage.getItem('livy.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // No storage: the browser's preference holds.
}
