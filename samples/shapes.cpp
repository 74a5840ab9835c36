/* SPDX-License-Identifier: MIT
 *
 * Classes of C++: constructors announce, destructors forget.  The constructor of
 * the base and that of the derived class both announce the object; it is tracked
 * once, as what it is in the end.  Members that are containers are told of by a
 * walk, which asks them what they hold.
 *
 *     build/samples/shapes
 *     memstats shapes.dat
 *     memstats referents shapes.dat --where snapshot=1
 */
#include "memcapture.h"

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace
{

memcapture *capture;
memcapture_class *shape_class, *circle_class, *polygon_class;

struct Point {
	double x, y;
};

class Shape
{
      public:
	explicit Shape(std::string label) : label(std::move(label))
	{
		memcapture_track(shape_class, this);
	}
	Shape(const Shape &) = delete;
	Shape &operator=(const Shape &) = delete;
	virtual ~Shape()
	{
		memcapture_forget(capture, this);
	}

	virtual std::size_t bytes() const = 0; /* what this program knows of itself */
	virtual const char *kind() const = 0;

	/* Text that is short lies in the string itself: then data() points into the
	 * object, and adds nothing. */
	static void walk(const void *object, memcapture_visitor *visitor)
	{
		const auto *shape = static_cast<const Shape *>(object);

		memcapture_visit(visitor, "label", shape->label.data(), shape->label.capacity() + 1);
	}

      protected:
	std::size_t label_bytes() const
	{
		const auto *start = reinterpret_cast<const char *>(&label);
		const bool inside = label.data() >= start && label.data() < start + sizeof(label);

		return inside ? 0 : label.capacity() + 1;
	}

      private:
	std::string label;
};

class Circle : public Shape
{
      public:
	Circle(std::string label, Point center, double radius)
	    : Shape(std::move(label)), center(center), radius(radius)
	{
		memcapture_track(circle_class, this);
	}
	std::size_t bytes() const override
	{
		return sizeof(*this) + label_bytes();
	}
	const char *kind() const override
	{
		return "Circle";
	}

      private:
	Point center;
	double radius;
};

class Polygon : public Shape
{
      public:
	Polygon(std::string label, std::size_t corners) : Shape(std::move(label)), points(corners)
	{
		memcapture_track(polygon_class, this);
	}
	std::size_t bytes() const override
	{
		return sizeof(*this) + label_bytes() + points.capacity() * sizeof(Point);
	}
	const char *kind() const override
	{
		return "Polygon";
	}
	static void walk(const void *object, memcapture_visitor *visitor)
	{
		const auto *polygon = static_cast<const Polygon *>(object);

		Shape::walk(object, visitor);
		memcapture_visit(visitor, "points", polygon->points.data(),
		                 polygon->points.capacity() * sizeof(Point));
	}

      private:
	std::vector<Point> points;
};

/* Lasts as long as the capture. */
memcapture_layout layout_of(const char *name, std::size_t size, memcapture_walk *walk)
{
	memcapture_layout layout = {};

	layout.name = name;
	layout.size = size;
	layout.walk = walk;
	return layout;
}

const memcapture_layout shape_layout = layout_of("Shape", sizeof(Shape), Shape::walk);
const memcapture_layout circle_layout = layout_of("Circle", sizeof(Circle), Shape::walk);
const memcapture_layout polygon_layout = layout_of("Polygon", sizeof(Polygon), Polygon::walk);

memcapture_class *track_class(const char *name, const memcapture_layout *layout, memcapture_class *parent)
{
	memcapture_class_options options = {};

	options.name = name;
	options.layout = layout;
	options.parent = parent;
	options.resolution_level = 1;
	return memcapture_track_class(capture, &options);
}

void snapshot(const std::vector<std::unique_ptr<Shape>> &shapes, const char *description)
{
	memcapture_snapshot(capture, description);
	for (const char *kind : { "Circle", "Polygon" }) {
		std::size_t count = 0, bytes = 0;

		for (const auto &shape : shapes) {
			if (shape->kind() != std::string(kind))
				continue;
			count++;
			bytes += shape->bytes();
		}
		std::printf("%s: %s %zu objects, %zu bytes\n", description, kind, count, bytes);
	}
}

} // namespace

int main()
{
	memcapture_error error = {};

	if (memcapture_open(&capture, "shapes.dat", &error) < 0) {
		std::fprintf(stderr, "shapes: %s\n", error.message);
		return 1;
	}
	shape_class = track_class("Shape", &shape_layout, nullptr);
	circle_class = track_class("Circle", &circle_layout, shape_class);
	polygon_class = track_class("Polygon", &polygon_layout, shape_class);

	std::vector<std::unique_ptr<Shape>> shapes;

	for (int i = 0; i < 300; i++) {
		const std::string label = i % 3 ? "dot" : "a label that does not fit into the string itself";

		if (i % 2)
			shapes.push_back(std::make_unique<Circle>(label, Point{ 1.0 * i, 2.0 * i }, 0.5 * i));
		else
			shapes.push_back(
				std::make_unique<Polygon>(label, 3 + static_cast<std::size_t>(i % 20)));
	}
	snapshot(shapes, "drawn");
	shapes.erase(shapes.begin(), shapes.begin() + 100);
	snapshot(shapes, "erased");
	shapes.clear();
	if (memcapture_close(capture, &error) < 0) {
		std::fprintf(stderr, "shapes: %s\n", error.message);
		return 1;
	}
	return 0;
}
