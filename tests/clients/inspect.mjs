// What of a page is not accessible, or does not fit a small phone; with a picture of it in light and dark.
import axe from 'axe-core'

export async function inspect(page, name, pictures) {
  const violations = []
  for (const [scheme, width] of [['light', 900], ['dark', 320]]) {
    await page.emulateMedia({ colorScheme: scheme })
    await page.setViewportSize({ width, height: 800 })
    const result = await page.evaluate(`${axe.source}; axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})`)
    violations.push(...result.violations.map(found => `${scheme}: ${found.id} ${found.nodes.map(node => node.html).join(' ')}`))
    if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) violations.push(`${scheme}: wider than ${width}`)
    await page.screenshot({ path: `${pictures}/${name}-${scheme}.png` })
  }
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width: 900, height: 800 })
  // A page without its style sheet would be readable, too, and nobody would notice.
  const styled = await page.evaluate(() => getComputedStyle(document.querySelector('main')).borderTopWidth === '1px')
  return { name, violations, styled, title: await page.title() }
}
