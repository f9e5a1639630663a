// Sorts and filters the table of models on the page of the zoo. Without it the whole table is there.
document.addEventListener("DOMContentLoaded", () => {
  const zoo = document.getElementById("zoo");
  if (!zoo) return;
  const body = zoo.querySelector("tbody"), heads = [...zoo.querySelectorAll("th")], rows = [...body.rows];
  const column = name => heads.findIndex(each => each.textContent === name);
  const value = (row, i) => "value" in row.cells[i].dataset ? Number(row.cells[i].dataset.value) : row.cells[i].innerText.trim();
  const bar = document.createElement("form"), count = document.createElement("output"), tests = [];
  bar.className = "zoo-filters";

  const filter = (label, control, test) => {
    const box = document.createElement("label");
    box.append(label, control);
    bar.append(box);
    tests.push(row => control.value === "" || test(row, control.value));
  };
  const input = (type, placeholder) => Object.assign(document.createElement("input"), {type, placeholder, min: 0, step: "any"});
  const licences = row => row.cells[column("licences")].innerText.split("\n").filter(each => each);
  const select = all => {
    const control = document.createElement("select");
    control.append(new Option("all", ""), ...[...new Set(all)].sort().map(each => new Option(each, each)));
    return control;
  };
  filter("name", input("search", "vit-b"), (row, text) => row.cells[0].innerText.includes(text.trim().toLowerCase()));
  filter("family", select(rows.map(row => row.dataset.family)), (row, name) => row.dataset.family === name);
  filter("licence", select(rows.flatMap(licences)), (row, name) => licences(row).includes(name));
  filter("parameters up to, M", input("number", "100"), (row, most) => value(row, column("parameters")) <= most * 1e6);
  filter("GMACs up to", input("number", "20"), (row, most) => value(row, column("GMACs")) <= most);
  filter("top-1 from, %", input("number", "80"), (row, least) => value(row, column("top-1")) >= least);
  bar.append(count);
  zoo.before(bar);

  const show = () => {
    for (const row of rows) row.hidden = !tests.every(test => test(row));
    count.textContent = `${rows.filter(row => !row.hidden).length} of ${rows.length} models`;
  };
  bar.addEventListener("input", show);
  bar.addEventListener("submit", event => event.preventDefault());
  show();

  heads.slice(0, 5).forEach((head, i) => {
    const button = Object.assign(document.createElement("button"), {type: "button", textContent: head.textContent});
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const way = head.ariaSort === "ascending" ? -1 : 1;
      heads.forEach(each => each.removeAttribute("aria-sort"));
      head.ariaSort = way > 0 ? "ascending" : "descending";
      const compare = (a, b) => typeof a === "number" ? a - b : a.localeCompare(b, "en", {numeric: true});
      body.append(...rows.sort((a, b) => way * compare(value(a, i), value(b, i))));
    });
  });
});
