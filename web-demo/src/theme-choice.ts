/** Where the reader's choice of colours is kept, and the lines that follow it before anything is painted. */

export const THEME_KEY = 'baton-theme'

/** Stands in the head of each page: the program itself comes too late, a dark page would be white until then. */
export const EARLY_THEME = `try{const t=localStorage.getItem('${THEME_KEY}');if(t==='light'||t==='dark')document.documentElement.dataset.theme=t}catch{}`
