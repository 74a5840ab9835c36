/* SPDX-License-Identifier: MIT
 *
 * The flame graph for those who have scripts: another cost, the other end up, a
 * part of it alone, and search.  Its data is what section_flame.c has put into
 * the page; boxes are text and widths, nothing of the data becomes markup. */
"use strict";
(function () {
	var ROW = 19, NARROWEST = 1.5;
	var UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

	function sizeText(bytes) {
		var unit = 0;
		while (bytes >= 1023.5 && unit < UNITS.length - 1) {
			bytes /= 1024;
			unit++;
		}
		return (unit === 0 ? String(bytes) : bytes.toPrecision(bytes >= 999.5 ? 4 : 3)) + " " + UNITS[unit];
	}

	function percentText(part, whole) {
		var percent = whole > 0 ? part * 100 / whole : 0;
		return (percent > 0 && percent < 0.1 ? "less than 0.1" : percent.toFixed(percent < 10 ? 1 : 0)) + " %";
	}

	function make(parent, name, className, text) {
		var element = document.createElement(name);
		if (className)
			element.className = className;
		if (text)
			element.textContent = text;
		return parent.appendChild(element);
	}

	/* Parents and children by index from what counts back. */
	function readTree(tree) {
		tree.children = tree.frame.map(function () { return []; });
		tree.up = tree.parent.map(function (back, node) {
			var up = back > 0 ? node - back : -1;
			if (up >= 0)
				tree.children[up].push(node);
			return up;
		});
	}

	function Flame(place) {
		var flame = this;
		this.data = JSON.parse(place.querySelector(".data").textContent);
		this.place = place;
		this.cost = 0;
		this.end = "outer";
		this.zoom = 0;
		this.wanted = "";
		readTree(this.data.outer);
		readTree(this.data.inner);
		this.makeControls();
		this.boxes = make(place, "div", "boxes");
		this.boxes.setAttribute("role", "tree");
		this.boxes.setAttribute("aria-label", "Flame graph");
		this.boxes.addEventListener("click", function (event) { flame.press(event.target); });
		this.boxes.addEventListener("keydown", function (event) { flame.key(event); });
		this.boxes.addEventListener("focusin", function (event) { flame.describe(event.target); });
		this.boxes.addEventListener("pointerover", function (event) { flame.describe(event.target); });
		place.classList.add("live");
		while (this.cost < this.data.costs.length - 1 && !(this.data.outer.cost[this.cost][0] > 0))
			this.cost++;
		this.choice.value = String(this.cost);
		this.draw(0);
		var width = this.boxes.clientWidth;
		window.addEventListener("resize", function () {
			if (flame.boxes.clientWidth !== width)
				flame.draw();
			width = flame.boxes.clientWidth;
		});
	}

	Flame.prototype.makeControls = function () {
		var flame = this, bar = make(this.place, "div", "controls");
		var label = make(bar, "label", "", "Show ");
		this.choice = make(label, "select");
		this.data.costs.forEach(function (cost, index) {
			var option = make(flame.choice, "option", "", cost[1]);
			option.value = String(index);
			option.disabled = !(flame.data.outer.cost[index][0] > 0);
		});
		this.choice.addEventListener("change", function () {
			flame.cost = Number(flame.choice.value);
			flame.draw(0);
		});
		label = make(bar, "label", "", "from ");
		this.ends = make(label, "select");
		make(this.ends, "option", "", "the program's start").value = "outer";
		make(this.ends, "option", "", "the allocating functions").value = "inner";
		this.ends.addEventListener("change", function () {
			flame.end = flame.ends.value;
			flame.draw(0);
		});
		this.search = make(bar, "input");
		this.search.type = "search";
		this.search.placeholder = "Search functions, modules";
		this.search.setAttribute("aria-label", "Search functions and modules");
		this.search.addEventListener("input", function () {
			flame.wanted = flame.search.value.trim().toLowerCase();
			flame.mark();
		});
		this.all = make(bar, "button", "", "Show all");
		this.all.type = "button";
		this.all.addEventListener("click", function () { flame.draw(0); });
		this.found = make(bar, "span", "found");
		this.found.setAttribute("role", "status");
		this.line = make(this.place, "p", "line");
	};

	Flame.prototype.tree = function () { return this.data[this.end]; };

	Flame.prototype.costOf = function (node) { return this.tree().cost[this.cost][node]; };

	Flame.prototype.costText = function (value) {
		return this.data.costs[this.cost][2] === "B" ? sizeText(value) : value.toLocaleString("en");
	};

	Flame.prototype.nameOf = function (node) {
		var frame = this.tree().frame[node];
		if (frame === -1)
			return "all";
		if (frame === -2)
			return this.tree().folded[node].toLocaleString("en") + " smaller";
		return this.data.functions[frame][0] || "?";
	};

	Flame.prototype.moduleOf = function (node) {
		var frame = this.tree().frame[node];
		return frame >= 0 ? this.data.modules[this.data.functions[frame][1]] || ["", "other"] : ["", "other"];
	};

	Flame.prototype.textOf = function (node, join) {
		var frame = this.tree().frame[node], module = this.moduleOf(node)[0];
		var parts = [this.nameOf(node)];
		if (frame >= 0 && (module || this.data.functions[frame][2]))
			parts.push([module, this.data.functions[frame][2]].filter(Boolean).join(", "));
		parts.push(this.costText(this.costOf(node)) + " " + this.data.costs[this.cost][1] + ", " +
			percentText(this.costOf(node), this.costOf(0)));
		return parts.join(join);
	};

	/* Children as they lie: largest first, the remainder last. */
	Flame.prototype.inOrder = function (node) {
		var flame = this, frames = this.tree().frame;
		return this.tree().children[node].filter(function (child) {
			return flame.costOf(child) > 0;
		}).sort(function (a, b) {
			return (frames[a] === -2) - (frames[b] === -2) || flame.costOf(b) - flame.costOf(a) || a - b;
		});
	};

	Flame.prototype.addBox = function (node, left, width, row, above) {
		var box = make(this.boxes, "div", "box of-" + this.moduleOf(node)[1]);
		if (above)
			box.classList.add("above");
		if (this.tree().frame[node] === -2)
			box.classList.add("rest");
		box.style.left = left + "px";
		box.style.width = Math.max(width - 1, 1) + "px";
		box.style.top = row * ROW + "px";
		if (width > 24)
			box.textContent = this.nameOf(node);
		box.node = node;
		box.row = row;
		box.hint = this.textOf(node, "\n");
		box.tabIndex = -1;
		box.setAttribute("role", "treeitem");
		box.setAttribute("aria-level", String(row + 1));
		box.setAttribute("aria-label", this.textOf(node, ", "));
		this.shown[node] = box;
	};

	/* From node ZOOM on (as before where it is not named), those that it is part of above it. */
	Flame.prototype.draw = function (zoom) {
		var flame = this, tree = this.tree(), path = [], rows = 0;
		this.zoom = zoom === undefined ? this.zoom : zoom;
		this.boxes.textContent = "";
		this.shown = {};
		var width = this.boxes.clientWidth, whole = this.costOf(this.zoom);
		for (var up = tree.up[this.zoom]; up >= 0; up = tree.up[up])
			path.unshift(up);
		path.forEach(function (node, row) { flame.addBox(node, 0, width, row, true); });
		var queue = [[this.zoom, 0, path.length]];
		for (var i = 0; i < queue.length && whole > 0; i++) {
			var node = queue[i][0], left = queue[i][1], row = queue[i][2];
			this.addBox(node, left, this.costOf(node) / whole * width, row, false);
			rows = Math.max(rows, row + 1);
			this.inOrder(node).forEach(function (child) {
				var wide = flame.costOf(child) / whole * width;
				if (wide >= NARROWEST)
					queue.push([child, left, row + 1]);
				left += wide;
			});
		}
		this.boxes.style.height = rows * ROW + "px";
		this.all.disabled = this.zoom === 0;
		if (this.shown[this.zoom])
			this.shown[this.zoom].tabIndex = 0;
		this.describe(this.shown[this.zoom]);
		this.mark();
	};

	Flame.prototype.matches = function (node) {
		var frame = this.tree().frame[node];
		return frame >= 0 && (this.nameOf(node) + "\n" + this.moduleOf(node)[0]).toLowerCase().indexOf(this.wanted) >= 0;
	};

	/* What is searched for, and how much it is: what lies in a match already counts once. */
	Flame.prototype.mark = function () {
		var tree = this.tree(), sum = 0, inside = [], count = 0;
		for (var node = 0; node < tree.frame.length; node++) {
			var hit = this.wanted !== "" && this.matches(node);
			if (this.shown[node])
				this.shown[node].classList.toggle("hit", hit);
			inside[node] = hit || (tree.up[node] >= 0 && inside[tree.up[node]]);
			if (hit && !(tree.up[node] >= 0 && inside[tree.up[node]]))
				sum += this.costOf(node);
			count += hit;
		}
		this.boxes.classList.toggle("searched", this.wanted !== "");
		this.found.textContent = this.wanted === "" ? "" : count === 0 ? "nothing found" :
			this.costText(sum) + ", " + percentText(sum, this.costOf(0));
	};

	Flame.prototype.describe = function (box) {
		if (box && box.node !== undefined)
			this.line.textContent = this.textOf(box.node, " \u00b7 ");
	};

	Flame.prototype.focus = function (box) {
		var before = this.boxes.querySelector("[tabindex='0']");
		if (!box)
			return;
		if (before)
			before.tabIndex = -1;
		box.tabIndex = 0;
		box.focus();
	};

	/* The remainder has nothing below it to show. */
	Flame.prototype.press = function (box) {
		if (box.node === undefined || this.tree().frame[box.node] === -2)
			return;
		this.draw(box.node);
		this.focus(this.shown[box.node]);
	};

	Flame.prototype.key = function (event) {
		var box = event.target, flame = this, shown = this.shown;
		if (box.node === undefined)
			return;
		var row = Object.keys(shown).map(function (node) { return shown[node]; }).filter(function (other) {
			return other.row === box.row;
		}).sort(function (a, b) { return a.offsetLeft - b.offsetLeft; });
		var at = row.indexOf(box);
		var actions = {
			ArrowUp: function () { flame.focus(shown[flame.tree().up[box.node]]); },
			ArrowDown: function () {
				flame.focus(flame.inOrder(box.node).map(function (node) { return shown[node]; }).filter(Boolean)[0]);
			},
			ArrowLeft: function () { flame.focus(row[at - 1]); },
			ArrowRight: function () { flame.focus(row[at + 1]); },
			Home: function () { flame.focus(shown[0]); },
			Enter: function () { flame.press(box); },
			" ": function () { flame.press(box); },
			Escape: function () {
				flame.draw(Math.max(0, flame.tree().up[flame.zoom]));
				flame.focus(shown === flame.shown ? box : flame.shown[flame.zoom]);
			}
		};
		if (!actions[event.key] || event.altKey || event.ctrlKey || event.metaKey)
			return;
		event.preventDefault();
		actions[event.key]();
	};

	Array.prototype.forEach.call(document.querySelectorAll(".flame"), function (place) {
		if (place.querySelector(".data"))
			new Flame(place);
	});
})();
