export default function ({ data, setTriggerValue }) {
  Object.assign(document.documentElement, data)
  const app = document.querySelector('[data-testid="stApp"]')
  const scheme = () => getComputedStyle(app).colorScheme
  let drawn = scheme()
  let waiting
  const look = () => {
    clearTimeout(waiting)
    document.documentElement.style.colorScheme = scheme()
    if (scheme() === drawn) return
    // A run of the whole script would close a dialog, with what was filled in.
    if (document.querySelector('[data-testid="stDialog"]')) {
      waiting = setTimeout(look, 500)
      return
    }
    drawn = scheme()
    setTriggerValue("scheme", drawn)
  }
  const painted = new MutationObserver(look)
  painted.observe(app, { attributes: true, attributeFilter: ["class"] })
  look()
  return () => {
    clearTimeout(waiting)
    painted.disconnect()
  }
}
