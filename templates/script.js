/* SPDX-License-Identifier: MIT
 *
 * Comforts for those who have scripts: tables that sort and filter, values
 * under the pointer, exact sizes, links that open what they lead into.  All
 * that the page says is there without this. */
"use strict";
(function () {
	/* ---- Tables ---- */
	function valueOf(cell) {
		if (!cell)
			return null;
		var raw = cell.getAttribute("data-v");
		var text = raw === null ? cell.textContent.trim() : raw;
		if (text === "")
			return null;
		var number = Number(text.replace(/,/g, "").replace("\u2212", "-").replace(/ %$/, ""));
		return isNaN(number) ? text.toLowerCase() : number;
	}

	function compare(a, b) {
		if (a === b)
			return 0;
		if (a === null || b === null)
			return a === null ? 1 : -1; /* what is not there comes last, whatever the order */
		if (typeof a !== typeof b)
			return typeof a === "number" ? -1 : 1;
		return a < b ? -1 : 1;
	}

	function sortBy(table, column, header) {
		var body = table.tBodies[0];
		var now = header.getAttribute("aria-sort");
		var descending = now ? now === "ascending" : header.classList.contains("n");
		var rows = Array.prototype.slice.call(body.rows).filter(function (row) {
			return !row.classList.contains("rest");
		});
		rows.map(function (row, index) {
			return { row: row, index: index, value: valueOf(row.cells[column]) };
		}).sort(function (a, b) {
			var order = compare(a.value, b.value);
			if (descending && a.value !== null && b.value !== null)
				order = -order;
			return order || a.index - b.index;
		}).forEach(function (entry) {
			body.insertBefore(entry.row, body.querySelector("tr.rest"));
		});
		Array.prototype.forEach.call(table.tHead.rows[0].cells, function (cell) {
			cell.removeAttribute("aria-sort");
		});
		header.setAttribute("aria-sort", descending ? "descending" : "ascending");
	}

	function makeSortable(table) {
		Array.prototype.forEach.call(table.tHead.rows[0].cells, function (header, column) {
			var button = document.createElement("button");
			button.type = "button";
			button.textContent = header.textContent;
			header.textContent = "";
			header.appendChild(button);
			button.addEventListener("click", function () { sortBy(table, column, header); });
		});
	}

	function makeFilter(table) {
		var input = document.createElement("input");
		var scroll = table.parentNode;
		input.type = "search";
		input.className = "filter";
		input.placeholder = "Filter rows";
		input.setAttribute("aria-label", "Filter rows of " + (scroll.getAttribute("aria-label") || "this table"));
		input.addEventListener("input", function () {
			var wanted = input.value.toLowerCase();
			Array.prototype.forEach.call(table.tBodies[0].rows, function (row) {
				row.hidden = wanted !== "" && !row.classList.contains("rest") &&
					row.textContent.toLowerCase().indexOf(wanted) < 0;
			});
		});
		scroll.parentNode.insertBefore(input, scroll);
	}

	function showExact(cell) {
		var bytes = Number(cell.getAttribute("data-v"));
		if (cell.hasAttribute("data-v") && Math.abs(bytes) >= 1024)
			cell.title = bytes.toLocaleString("en") + " bytes";
	}

	Array.prototype.forEach.call(document.querySelectorAll("table"), function (table) {
		if (!table.tHead || table.classList.contains("plain"))
			return;
		makeSortable(table);
		if (table.tBodies[0].rows.length > 8)
			makeFilter(table);
		Array.prototype.forEach.call(table.querySelectorAll("td.b"), showExact);
	});

	/* ---- Values under the pointer ---- */
	var tip = document.createElement("div");
	var current = null;
	tip.id = "tip";
	tip.hidden = true;
	tip.setAttribute("aria-hidden", "true"); /* the tables say the same */
	document.body.appendChild(tip);

	/* The browser's own tooltip would come on top of ours. */
	Array.prototype.forEach.call(document.querySelectorAll(".hints title"), function (title) {
		title.parentNode.hint = title.textContent;
		title.parentNode.removeChild(title);
	});

	function leave() {
		if (current)
			current.classList.remove("on");
		current = null;
		tip.hidden = true;
	}

	function place(event) {
		var width = document.documentElement.clientWidth;
		tip.style.left = "0";
		tip.style.top = "0";
		var left = event.pageX + 14;
		if (left + tip.offsetWidth > width - 8)
			left = event.pageX - tip.offsetWidth - 14;
		tip.style.left = Math.max(8, left) + "px";
		tip.style.top = (event.pageY + 14) + "px";
	}

	document.addEventListener("pointermove", function (event) {
		var target = event.target;
		if (!target || !target.hint) {
			leave();
			return;
		}
		if (target !== current) {
			leave();
			current = target;
			current.classList.add("on");
			tip.textContent = target.hint;
			tip.hidden = false;
		}
		place(event);
	});
	document.addEventListener("pointerleave", leave);

	/* ---- Links into parts that are closed; paper ---- */
	function openTo(id) {
		var target = id ? document.getElementById(id) : null;
		for (var node = target; node; node = node.parentElement)
			if (node.tagName === "DETAILS")
				node.open = true;
		if (target)
			target.scrollIntoView();
	}

	function openHash() {
		openTo(decodeURIComponent(location.hash.slice(1)));
	}

	window.addEventListener("hashchange", openHash);
	openHash();

	var closed = [];
	window.addEventListener("beforeprint", function () {
		closed = Array.prototype.slice.call(document.querySelectorAll("details:not([open])"));
		closed.forEach(function (details) { details.open = true; });
	});
	window.addEventListener("afterprint", function () {
		closed.forEach(function (details) { details.open = false; });
	});
})();
