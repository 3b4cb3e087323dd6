import { mount } from 'svelte'
import App from './app.svelte'
import './page.css'

const target = document.querySelector('#app')
if (!target) throw new Error('the page has no #app')
mount(App, { target })
