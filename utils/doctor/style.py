"""How the page of a data set's health looks: narrow and wide, light and dark."""

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1f24; --muted: #59636e;
  --line: #d5dbe1; --card: #f6f8fa; --serious: #c62828; --warning: #9a6700; --note: #0b63c5;
  --healthy: #1a7f37; --s0: #3b7dd8; --s1: #e08a1e; --s2: #2a9d6f; --s3: #9c5fc0; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14171b; --ink: #e6e9ec; --muted: #9aa4ae; --line: #343a41; --card: #1d2126;
    --serious: #ff7b72; --warning: #e3b341; --note: #79b8ff; --healthy: #56d364; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; margin: .5rem 0; }
h2 { font-size: 1.2rem; margin: 1.5rem 0 .5rem; }
p { margin: .4rem 0; overflow-wrap: anywhere; }
a { color: var(--note); }
.muted { color: var(--muted); }
.verdict { font-size: 1.15rem; font-weight: 600; padding: .7rem 1rem; background: var(--card);
  border-left: .4rem solid; }
.verdict.healthy { border-color: var(--healthy); }
.verdict.serious { border-color: var(--serious); }
.badge { font-size: .8rem; font-weight: 600; border: 1px solid; border-radius: 1rem; padding: .1rem .6rem; }
.badge.serious { color: var(--serious); }
.badge.warning { color: var(--warning); }
.badge.note { color: var(--note); }
.finding { border-top: 1px solid var(--line); }
table { border-collapse: collapse; }
th { text-align: left; font-weight: 400; }
thead th { font-weight: 600; }
td, th { padding: .15rem .8rem .15rem 0; border-bottom: 1px solid var(--line); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 16rem), 1fr)); gap: .8rem;
  align-items: start; margin: .8rem 0; }
figure { margin: 0; background: var(--card); padding: .5rem; }
figure img { width: 100%; display: block; }
figure.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .3rem; }
@media (min-width: 40rem) { figure.pair { grid-column: span 2; } }
figure.pair figcaption { grid-column: 1 / -1; }
figcaption { font-size: .85rem; color: var(--muted); overflow-wrap: anywhere; }
.places { font-size: .9rem; padding-left: 1.2rem; overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr));
  gap: .8rem; }
.figures figcaption { color: var(--ink); font-weight: 600; margin-bottom: .4rem; }
.bars { width: 100%; font-size: .85rem; }
.bars th { width: 8rem; }
.row { display: flex; align-items: center; gap: .4rem; height: .95rem; }
.bar { height: .7rem; display: inline-block; min-width: 1px; }
.legend span { margin-right: 1rem; }
.legend .bar { width: .8rem; margin-right: .4rem; }
.s0 { background: var(--s0); }
.s1 { background: var(--s1); }
.s2 { background: var(--s2); }
.s3 { background: var(--s3); }
small { color: var(--muted); }
"""
