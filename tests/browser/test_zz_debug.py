async def test_dbg(visit, own, inbox, answer):
    inbox.answer = lambda _r: answer(503)
    await own.webhook(inbox.url); await own.emit()
    await inbox.wait_for(4)
    page = await visit("/logs")
    a = page.locator("#rows .result a").first
    await a.wait_for()
    print(await a.evaluate("""a=>{const q=[...a.getClientRects()].map(r=>[r.x,r.y,r.width,r.height]);const r=a.getBoundingClientRect();
      const out=[];for(let x=r.left+1;x<r.right;x+=8){const e=document.elementFromPoint(x,r.top+r.height/2);out.push(e.tagName+'.'+e.className)}
      return JSON.stringify([q,out, a.innerHTML, getComputedStyle(a).display])}"""))
    await page.screenshot(path="/tmp/dbg/logs.png")
