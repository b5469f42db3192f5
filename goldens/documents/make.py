"""Writes the documents in files/ with the usual tools of each format. All texts are written for this project.

    python3 -m venv /tmp/v && /tmp/v/bin/pip install python-docx openpyxl python-pptx reportlab ebooklib pymupdf fpdf2 \
        xlwt odfpy msoffcrypto-tool pyzipper pillow
    /tmp/v/bin/python goldens/documents/make.py        # needs fonts-noto-cjk and fonts-dejavu

What the reader makes of them is in expected/, written by `SHUYUAN_UPDATE=1 cargo test --release --test parse` and read by eye.
"""

import datetime, io, json, os, pathlib, stat, zipfile
from email.message import EmailMessage

HERE = pathlib.Path(__file__).parent
OUT = HERE / "files"
OUT.mkdir(exist_ok=True)
DAY = datetime.datetime(2024, 3, 15, 9, 30)

EN = [
    "The workshop opens at eight. Whoever comes first turns on the lights, the compressor and the kettle, in this order.",
    "Tools that leave the room are written down on the board by the door, with a name and a day. A tool that is not on "
    "the board is a tool that is missing.",
    "Broken parts go into the red box. They are looked at every Friday, and what can be mended is mended before noon.",
]
ZH = [
    "工坊每天早上八点开门。先到的人依次打开电灯、空气压缩机和热水壶。",
    "带出房间的工具要写在门边的白板上，注明姓名和日期。白板上没有的工具，就是丢失的工具。",
    "损坏的零件放进红色的箱子。每周五检查一次，能修的在中午之前修好。",
]
ROWS = [["Part 零件", "Stock 库存", "Price 价格"], ["Bolt 螺栓", "120", "0.35"], ["Washer 垫圈", "800", "0.05"],
        ["Bearing 轴承", "14", "12.80"]]


def texts():
    text = "工坊守则\n\n第一章 总则\n\n" + "\n\n".join(ZH) + "\n\n第二章 工具\n\n" + EN[0] + "\n"
    zh = "工坊守则\n\n" + "\n\n".join(ZH * 3) + "\n"
    (OUT / "utf8.txt").write_text(text, "utf-8")
    (OUT / "utf8-mark.txt").write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    (OUT / "utf16le.txt").write_bytes(text.encode("utf-16-le"))
    (OUT / "utf16be.txt").write_bytes(zh.encode("utf-16-be"))
    (OUT / "utf16-mark.txt").write_bytes(text.encode("utf-16"))
    (OUT / "gb18030.txt").write_bytes(text.encode("gb18030"))
    big5 = "工坊守則\n\n工坊每天早上八點開門。先到的人依次打開電燈、空氣壓縮機和熱水壺。\n\n損壞的零件放進紅色的箱子，每週五檢查一次。\n"
    (OUT / "big5.txt").write_bytes(big5.encode("big5"))
    jis = "工房の決まり\n\n工房は毎朝八時に開きます。最初に来た人が電灯とコンプレッサーをつけます。\n\n壊れた部品は赤い箱に入れてください。\n"
    (OUT / "shift-jis.txt").write_bytes(jis.encode("shift_jis"))
    latin = "Règles de l’atelier\n\nL’atelier ouvre à huit heures. Le premier arrivé allume les lumières – puis la bouilloire.\n" \
            "\nLes pièces cassées vont dans la boîte rouge ; on les répare le vendredi.\n"
    (OUT / "windows-1252.txt").write_bytes(latin.encode("windows-1252"))


MARKDOWN = f"""---
title: Workshop handbook 工坊手册
date: 2024-03-15
---

# Workshop handbook 工坊手册

{EN[0]}

## Tools 工具

- borrow a tool
  and write it down
- 归还工具
  1. clean it
  2. 放回原处

Setext heading
--------------

{ZH[1]} See [the board](board.html) and ![a picture](data:image/png;base64,iVBORw0KGgo=).

```python
def borrow(tool):
    # not a heading

    return tool
```

| Part 零件 | Stock 库存 |
|:----------|-----------:|
| Bolt 螺栓 | 120 |
| a \\| b    | 3 |

<!-- nobody sees this -->

### Last 最后

> {ZH[2]}
"""

HTML = f"""<!DOCTYPE html>
<html><head><meta charset="CHARSET"><title>Workshop &amp; rules 工坊守则</title>
<meta property="article:published_time" content="2024-03-15T09:30:00Z">
<style>p {{ color: red }}</style><script>if (a < b) document.write("<p>no</p>")</script></head>
<body><nav><a href="/">Home</a> <a href="/x">Elsewhere</a></nav>
<h1>Workshop rules<br>工坊守则</h1>
<p>{EN[0]} &copy;&nbsp;2024 &#20013;&#x6587;</p>
<p>{ZH[0]}
<p>An unclosed paragraph with <b>bold</b> and <a href=x>a link</a>.
<h2 class='a > b'>Tools 工具</h2>
<ul><li>borrow<li>归还<ol start=3><li>clean it</li><li>put it back</li></ol></li></ul>
<table><caption>Stock 库存表</caption><thead><tr><th>Part</th><th>Stock</th><th>Price</th></tr></thead>
<tr><td rowspan=2>Bolt 螺栓</td><td>120</td><td>0.35</td></tr><tr><td>80</td><td>0.40</td></tr>
<tr><td colspan=2>together 合计</td><td>0.75</td></tr></table>
<pre>first line
    second line, indented</pre>
<table><tr><td><h3>Layout 布局</h3><p>{ZH[2]}</p></td></tr></table>
</body></html>
"""

XML = """<?xml version="1.0" encoding="gb18030"?>
<catalog><item name="Bolt"><title>螺栓</title><text>Holds two plates together. 连接两块板。</text></item>
<item name="Washer"><title>垫圈</title><text>Goes under the bolt&apos;s head.</text></item></catalog>
"""


def markup():
    (OUT / "guide.md").write_text(MARKDOWN, "utf-8")
    (OUT / "page.html").write_text(HTML.replace("CHARSET", "utf-8"), "utf-8")
    (OUT / "page-gbk.html").write_bytes(HTML.replace("CHARSET", "gbk").replace("&nbsp;", " ").encode("gbk"))
    (OUT / "catalog.xml").write_bytes(XML.encode("gb18030"))


def tables():
    import csv
    with open(OUT / "stock.csv", "w", encoding="gbk", newline="") as file:
        csv.writer(file).writerows(ROWS + [["Nut, small 小螺母", "40", 'the "red" box']])
    with open(OUT / "stock.tsv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t").writerows(ROWS)
    (OUT / "semicolon.csv").write_text("Name;Betrag;Tag\nMüller;1,50;2024-03-15\nÖzil;22,00;2024-03-16\n", "utf-8")
    data = {"title": "Workshop 工坊", "date": "2024-03-15", "open": True, "tags": ["tools", "工具"],
            "address": {"city": "上海", "street": {"name": "Harbour Road", "number": 7}},
            "stock": [{"part": row[0], "stock": int(row[1]), "price": float(row[2])} for row in ROWS[1:]],
            "rules": [{"id": 1, "text": EN[0], "more": {"zh": ZH[0], "deep": [[1, 2], [3]]}}]}
    (OUT / "data.json").write_text(json.dumps(data, ensure_ascii=False, indent=1), "utf-8")
    with open(OUT / "records.jsonl", "w", encoding="utf-8") as file:
        for index, (en, zh) in enumerate(zip(EN, ZH)):
            file.write(json.dumps({"id": index, "source": "handbook", "text": en + "\n\n" + zh}, ensure_ascii=False) + "\n")
        file.write("not json\n")
        for row in ROWS[1:]:
            file.write(json.dumps(dict(zip(["part", "stock", "price"], row)), ensure_ascii=False) + "\n")


RUST = '''//! Borrowing tools. 借用工具。

use std::collections::HashMap;
use std::fmt;

/// A tool.
#[derive(Debug)]
pub struct Tool {
    pub name: String,
}

/* Everything that is out.
   所有借出的工具 */
#[derive(Default)]
pub struct Board {
    out: HashMap<String, Tool>,
}

impl Board {
    /// Writes a tool down.
    pub fn borrow(&mut self, who: &str, tool: Tool) {
        self.out.insert(who.to_owned(), tool);
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)
    }
}

const SHELVES: usize = 4;
const HOOKS: usize = 12;

fn main() {
    let board = Board::default();
    println!("{}", board.out.len());
}
'''

PYTHON = '''"""Borrowing tools. 借用工具。

def not_a_function():
"""

import os
from dataclasses import dataclass

SHELVES = 4


# A tool. 工具
@dataclass
class Tool:
    name: str

    def clean(self):
        """Cleans it.

With a line at the margin.
        """
        return self.name


def borrow(who, tool):
    if who:
        return tool
    else:
        return None


if __name__ == "__main__":
    borrow("a", Tool("hammer"))
'''

JAVA = "package workshop;\n\nimport java.util.*;\n\n/** The board by the door. 门边的白板 */\npublic class Board {\n" + "".join(
    f"""
    /** Shelf {n}. 架子 */
    public int shelf{n}(int a) {{
        int b = a + {n};
        if (b > 3) {{
            b = 3;
        }}
        return b;
    }}
""" for n in range(1, 16)) + "}\n"


def code():
    (OUT / "board.rs").write_text(RUST, "utf-8")
    (OUT / "board.py").write_text(PYTHON, "utf-8")
    (OUT / "Board.java").write_text(JAVA, "utf-8")


def docx():
    import docx
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn
    d = docx.Document()
    d.core_properties.title = "Workshop handbook 工坊手册"
    d.core_properties.created = d.core_properties.modified = DAY
    d.add_heading("Workshop handbook 工坊手册", 0)
    d.add_heading("Rules 守则", 1)
    p = d.add_paragraph(EN[0])
    p.add_run(" Bold.").bold = True
    d.add_paragraph(ZH[0])
    d.add_heading("Tools 工具", 2)
    d.add_paragraph("borrow", style="List Bullet")
    d.add_paragraph("归还", style="List Bullet")
    d.add_paragraph("clean it", style="List Bullet 2")
    d.add_paragraph("first", style="List Number")
    d.add_paragraph("第二", style="List Number")
    t = d.add_table(rows=0, cols=3, style="Table Grid")
    for row in ROWS:
        for cell, text in zip(t.add_row().cells, row):
            cell.text = text
    merged = t.add_row().cells
    merged[0].merge(merged[1]).text = "together 合计"
    merged[2].text = "13.20\nin all"
    p = d.add_paragraph("Before ")
    # A deleted word and one put in.
    for kind, text in [("w:del", "gone"), ("w:ins", "there")]:
        change, run = OxmlElement(kind), OxmlElement("w:r")
        change.set(qn("w:id"), "9"), change.set(qn("w:author"), "a")
        inner = OxmlElement("w:delText" if kind == "w:del" else "w:t")
        inner.text = text
        run.append(inner), change.append(run), p._p.append(change)
    p.add_run(" after.")
    d.add_paragraph(ZH[2])
    d.save(OUT / "report.docx")
    # Footnotes, which python-docx does not write.
    parts = {}
    with zipfile.ZipFile(OUT / "report.docx") as z:
        parts = {name: z.read(name) for name in z.namelist()}
    note = '<w:r><w:footnoteReference w:id="2"/></w:r>'
    body = parts["word/document.xml"].decode()
    at = body.index("</w:p>", body.index("Bold."))
    parts["word/document.xml"] = (body[:at] + note + body[at:]).encode()
    parts["word/footnotes.xml"] = (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:footnotes xmlns:w="http://schemas.openxmlformats.org/'
        'wordprocessingml/2006/main"><w:footnote w:type="separator" w:id="0"><w:p><w:r><w:separator/></w:r></w:p>'
        '</w:footnote><w:footnote w:id="2"><w:p><w:r><w:t>Except on Sundays. 周日除外。</w:t></w:r></w:p></w:footnote>'
        '</w:footnotes>').encode()
    with zipfile.ZipFile(OUT / "report.docx", "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in parts.items():
            if name != "docProps/thumbnail.jpeg":
                z.writestr(name, data)


def pptx():
    import pptx
    from pptx.util import Inches
    p = pptx.Presentation()
    p.core_properties.title = "Workshop 工坊"
    p.core_properties.created = p.core_properties.modified = DAY
    s = p.slides.add_slide(p.slide_layouts[0])
    s.shapes.title.text, s.placeholders[1].text = "Workshop 工坊", "An introduction 介绍"
    s = p.slides.add_slide(p.slide_layouts[1])
    s.shapes.title.text = "Tools 工具"
    f = s.placeholders[1].text_frame
    f.text = "borrow 借用"
    q = f.add_paragraph()
    q.text, q.level = "write it down 登记", 1
    s.notes_slide.notes_text_frame.text = "Show the board. 展示白板。"
    s = p.slides.add_slide(p.slide_layouts[5])
    s.shapes.title.text = "Stock 库存"
    t = s.shapes.add_table(len(ROWS), 3, Inches(1), Inches(2), Inches(8), Inches(2)).table
    for r, row in enumerate(ROWS):
        for c, text in enumerate(row):
            t.cell(r, c).text = text
    p.slides.add_slide(p.slide_layouts[6])
    p.save(OUT / "slides.pptx")


def sheets():
    import openpyxl, xlwt
    from odf.opendocument import OpenDocumentSpreadsheet, OpenDocumentText
    from odf.table import Table, TableRow, TableCell
    from odf.text import P, H, List, ListItem
    from odf import dc
    b = openpyxl.Workbook()
    b.properties.title, b.properties.created, b.properties.modified = "Stock 库存", DAY, DAY
    s = b.active
    s.title = "Stock 库存"
    s.append(["Stock of the workshop 工坊库存"])
    s.append([])
    for row in ROWS[:1]:
        s.append(row + ["Day 日期"])
    for row in ROWS[1:]:
        s.append([row[0], int(row[1]), float(row[2]), datetime.date(2024, 3, 15)])
    s["F12"] = "far away 远处"
    s = b.create_sheet("Empty 空")
    s = b.create_sheet("Times 时间")
    s.append(["Begin 开始", "Long 时长", "Ok"])
    s.append([datetime.datetime(2024, 3, 15, 9, 30), datetime.timedelta(hours=30), True])
    s.append([datetime.time(8, 15), 0.1 + 0.2, "=1+1"])
    b.save(OUT / "book.xlsx")
    w = xlwt.Workbook(encoding="utf-8")
    s = w.add_sheet("Stock 库存")
    day = xlwt.easyxf(num_format_str="YYYY-MM-DD")
    for r, row in enumerate(ROWS):
        for c, text in enumerate(row):
            s.write(r, c, float(text) if r and c else text)
    s.write(5, 0, "Day 日期"), s.write(5, 1, DAY, day)
    w.add_sheet("Second 第二").write(0, 0, "alone 单独")
    w.save(str(OUT / "old.xls"))
    o = OpenDocumentSpreadsheet()
    o.meta.addElement(dc.Title(text="Stock 库存")), o.meta.addElement(dc.Date(text="2024-03-15T09:30:00"))
    t = Table(name="Stock 库存")
    for row in ROWS:
        r = TableRow()
        for text in row:
            cell = TableCell(valuetype="string")
            cell.addElement(P(text=text))
            r.addElement(cell)
        r.addElement(TableCell(numbercolumnsrepeated=16000))
        t.addElement(r)
    t.addElement(TableRow(numberrowsrepeated=1000000))
    o.spreadsheet.addElement(t)
    o.save(str(OUT / "sheet.ods"))
    o = OpenDocumentText()
    o.text.addElement(H(outlinelevel=1, text="Rules 守则"))
    o.text.addElement(P(text=EN[0])), o.text.addElement(P(text=ZH[0]))
    l = List()
    for text in ["borrow", "归还"]:
        i = ListItem()
        i.addElement(P(text=text)), l.addElement(i)
    o.text.addElement(l)
    o.save(str(OUT / "text.odt"))


def epub():
    from ebooklib import epub
    b = epub.EpubBook()
    b.set_identifier("workshop"), b.set_title("Workshop handbook 工坊手册"), b.set_language("zh")
    b.add_metadata("DC", "date", "2024-03-15")
    chapters = []
    for n, (title, text) in enumerate([("Rules 守则", EN[0] + "</p><p>" + ZH[0]), ("Tools 工具", EN[1] + "</p><p>" + ZH[1])], 1):
        c = epub.EpubHtml(title=title, file_name=f"chapter {n}.xhtml", lang="zh")
        c.content = f"<h1>{title}</h1><p>{text}</p>"
        b.add_item(c), chapters.append(c)
    b.toc, b.spine = chapters, ["nav"] + chapters
    b.add_item(epub.EpubNcx()), b.add_item(epub.EpubNav())
    epub.write_epub(str(OUT / "book.epub"), b)


def mail():
    m = EmailMessage()
    m["Subject"] = "Stock of March 三月库存"
    m["From"], m["To"], m["Cc"] = "Wei Chen 陈伟 <chen@example.org>", "workshop@example.org", "board@example.org"
    m["Date"] = "Fri, 15 Mar 2024 09:30:00 +0800"
    m.set_content("Dear all,\n\nthe list is attached. 附件是清单。\n\n" + ZH[0] + "\n")
    m.add_alternative("<p>Dear all,</p><p>the list is attached. 附件是清单。</p>", subtype="html")
    m.add_attachment((OUT / "stock.csv").read_bytes(), maintype="text", subtype="csv", filename="库存.csv")
    m.add_attachment((OUT / "report.docx").read_bytes(), maintype="application", subtype="octet-stream",
                     filename="../../report.docx")
    m.add_attachment(b"\x89PNG\r\n\x1a\n0000", maintype="image", subtype="png", filename="photo.png")
    inner = EmailMessage()
    inner["Subject"], inner["From"], inner["To"] = "Earlier 之前", "a@example.org", "b@example.org"
    inner.set_content("The earlier mail. 之前的邮件。\n")
    m.add_attachment(inner)
    (OUT / "mail.eml").write_bytes(m.as_bytes())
    h = EmailMessage()
    h["Subject"], h["From"], h["To"] = "只有网页", "a@example.org", "b@example.org"
    h["Date"] = "Fri, 15 Mar 2024 09:30:00 +0800"
    h.set_content("<html><body><h1>Notice 通知</h1><p>" + ZH[1] + "</p></body></html>", subtype="html", charset="gb18030")
    (OUT / "html-mail.eml").write_bytes(h.as_bytes())


def archive():
    import pyzipper
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("deep/guide.md", MARKDOWN)
    with zipfile.ZipFile(OUT / "archive.zip", "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("notes/utf8.txt", (OUT / "utf8.txt").read_bytes())
        z.writestr("../../outside.txt", "A name that points outside. 指向外面的名字。")
        z.writestr("/absolute.txt", "A name from the root. 根目录的名字。")
        z.writestr("inner.zip", inner.getvalue())
        z.writestr("__MACOSX/._notes", b"\0\5\x16\7")
        z.writestr("photo.jpg", b"\xff\xd8\xff\xe0 no picture")
        z.writestr("empty.txt", b"")
        link = zipfile.ZipInfo("link.txt")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        z.writestr(link, "/etc/passwd")
    # A name in GBK without a word about it, as Windows writes it.
    data = (OUT / "archive.zip").read_bytes()
    named = io.BytesIO()
    with zipfile.ZipFile(named, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("AAAAAAAA.txt", "名字是国标码。 Its name is GBK.")
    (OUT / "gbk-name.zip").write_bytes(named.getvalue().replace(b"AAAAAAAA", "工坊守则".encode("gbk")))
    with pyzipper.ZipFile(OUT / "half-encrypted.zip", "w", pyzipper.ZIP_DEFLATED) as z:
        z.writestr("open.txt", "Open to all. 公开。")
    with pyzipper.AESZipFile(OUT / "encrypted.zip", "w", compression=pyzipper.ZIP_DEFLATED, encryption=pyzipper.WZ_AES) as z:
        z.setpassword(b"secret")
        z.writestr("secret.txt", "Not to be read. 保密。")
    (OUT / "half-encrypted.zip").unlink()


def encrypted():
    import msoffcrypto
    from msoffcrypto.format.ooxml import OOXMLFile
    with open(OUT / "report.docx", "rb") as plain, open(OUT / "encrypted.docx", "wb") as out:
        OOXMLFile(plain).encrypt("secret", out)


def pdf_reportlab():
    from reportlab.lib import colors
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import getSampleStyleSheet, ParagraphStyle
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfgen import canvas
    from reportlab.platypus import (BaseDocTemplate, Frame, NextPageTemplate, PageBreak, PageTemplate, Paragraph,
                                    SimpleDocTemplate, Spacer, Table, TableStyle)
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    zh = ParagraphStyle("zh", fontName="STSong-Light", fontSize=11, leading=16, wordWrap="CJK", spaceAfter=8)
    zh1 = ParagraphStyle("zh1", parent=zh, fontSize=20, leading=26)
    zh2 = ParagraphStyle("zh2", parent=zh, fontSize=15, leading=20)
    style = TableStyle([("FONT", (0, 0), (-1, -1), "STSong-Light", 10), ("GRID", (0, 0), (-1, -1), 0.5, colors.black)])
    bare = TableStyle([("FONT", (0, 0), (-1, -1), "STSong-Light", 10)])

    def foot(c, d):
        c.setFont("Helvetica", 9)
        c.drawString(72, A4[1] - 40, "Workshop handbook")
        c.drawCentredString(A4[0] / 2, 30, f"- {d.page} -")

    wrapped = ROWS + [[Paragraph("螺母，六角形，镀锌，适用于所有的螺栓，放在红色箱子旁边的架子上", ParagraphStyle("c", parent=zh, fontSize=10)), "40", "0.10"],
                      ["together 合计", "", "13.30"]]
    spanned = TableStyle(style.getCommands() + [("SPAN", (0, 5), (1, 5))])
    story = [Paragraph("工坊手册", zh1), Paragraph("第一节 守则", zh2)] + [Paragraph(text * 2, zh) for text in ZH] + [
        Paragraph("库存表", zh2), Table(wrapped, style=spanned, colWidths=[160, 80, 80]), Spacer(1, 20), Paragraph("下面的表没有线。", zh),
        Table(ROWS, style=bare, colWidths=[150, 110, 80]), PageBreak(), Paragraph("第二节 工具", zh2), Paragraph(ZH[1], zh), PageBreak(),
        Paragraph("第三节 零件", zh2), Paragraph(ZH[2], zh)]
    SimpleDocTemplate(str(OUT / "chinese.pdf"), pagesize=A4, title="工坊手册", author="workshop").build(
        story, onFirstPage=foot, onLaterPages=foot)

    s = getSampleStyleSheet()
    two = BaseDocTemplate(str(OUT / "columns.pdf"), pagesize=A4, title="Two columns")
    w = (A4[0] - 72 * 2 - 24) / 2
    two.addPageTemplates([PageTemplate("two", [Frame(72, 660, A4[0] - 144, 120, id="top"), Frame(72, 72, w, 580, id="l"),
                                               Frame(72 + w + 24, 72, w, 580, id="r")])])
    long = " ".join(EN)
    body = []
    for n in range(1, 7):
        body += [Paragraph(f"{n} Section number {n}", s["Heading2"]), Paragraph(f"Paragraph {n} begins here. " + long, s["BodyText"]),
                 Paragraph(f"And {n} ends. " + EN[1], s["BodyText"])]
    two.build([Paragraph("A page of two columns", s["Title"]), Paragraph("Abstract. " + long, s["BodyText"])] + body)

    c = canvas.Canvas(str(OUT / "turned.pdf"), pagesize=A4)
    c.setFont("Helvetica", 12)
    c.drawString(72, 760, "This line runs as usual.")
    c.setFont("Courier", 10)
    for n, line in enumerate(["def borrow(tool):", "    if tool:", "        return tool", "    return None"]):
        c.drawString(72, 700 - 12 * n, line)
    c.setFont("Helvetica", 12)
    c.drawString(72, 600, "- An item of a list whose text is long enough that it goes on in a second line")
    c.drawString(82, 586, "behind its mark.")
    c.saveState(), c.translate(300, 300), c.rotate(90)
    c.drawString(0, 0, "This one runs upwards.")
    c.restoreState(), c.showPage()
    c.save()

    from PIL import Image, ImageDraw
    picture = Image.new("1", (300, 100), 1)
    ImageDraw.Draw(picture).text((10, 40), "only a picture", fill=0)
    picture.save("/tmp/picture.png")
    for name, text in [("scanned.pdf", False), ("half-scanned.pdf", True)]:
        c = canvas.Canvas(str(OUT / name), pagesize=A4)
        if text:
            c.drawString(72, 760, "A page with text."), c.showPage()
        for _ in range(2):
            c.drawImage("/tmp/picture.png", 72, 600), c.showPage()
        c.save()


def pdf_others():
    import fitz
    from fpdf import FPDF
    d = fitz.open()
    page = d.new_page()
    page.insert_htmlbox(fitz.Rect(72, 72, 520, 770), f"<h1>Workshop handbook 工坊手册</h1><p>{EN[0]}</p><p>{ZH[0]}</p>"
                        f"<h2>Tools 工具</h2><ul><li>borrow 借用</li><li>return 归还</li></ul><p>{EN[1]} {ZH[1]}</p>")
    d.set_metadata({"title": "Workshop handbook 工坊手册", "creationDate": "D:20240315093000Z"})
    d.subset_fonts()
    d.save(OUT / "embedded.pdf", garbage=4, deflate=True, use_objstms=1)
    d.save(OUT / "encrypted.pdf", encryption=fitz.PDF_ENCRYPT_AES_256, user_pw="secret", owner_pw="secret", garbage=4, deflate=True)
    f = FPDF()
    f.add_page()
    f.add_font("dejavu", "", "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
    f.add_font("dejavu", "B", "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf")
    f.set_font("dejavu", "B", 11)
    f.multi_cell(0, 8, "A bold line as heading", new_x="LMARGIN", new_y="NEXT")
    f.set_font("dejavu", "", 11)
    for text in EN:
        f.multi_cell(0, 6, text + " Größe, naïve, Москва, ﬁn.", new_x="LMARGIN", new_y="NEXT")
        f.ln(4)
    f.set_font("dejavu", "B", 11)
    f.cell(0, 8, "Stock", new_x="LMARGIN", new_y="NEXT")
    f.set_font("dejavu", "", 11)
    with f.table() as t:
        for row in ROWS:
            r = t.row()
            for cell in row:
                r.cell(cell.split()[0])
    f.output(str(OUT / "latin.pdf"))


if __name__ == "__main__":
    texts(), markup(), tables(), code(), docx(), pptx(), sheets(), epub(), mail(), archive(), encrypted()
    pdf_reportlab(), pdf_others()
    for path in sorted(OUT.iterdir()):
        print(path.name, path.stat().st_size)
