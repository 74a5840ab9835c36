/* SPDX-License-Identifier: MIT
 *
 * The example of the ClassTracker document, in C: a factory that is tracked as a
 * single object, and a class of employees.  Shows how an object and a class are
 * tracked, what a layout is, and that shared data counts once: every employee
 * points to the factory's name, but it is part of the factory, which was
 * announced first.
 *
 *     build/samples/factory
 *     memstats factory.dat
 *     memstats referents factory.dat
 *     memstats objects factory.dat --sort size --limit 3
 *
 * It prints what it knows of its own memory, to compare with what these say.
 */
#include "memcapture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EMPLOYEES 1000

struct employee {
	const char *assigned; /* to a factory, by its name */
	char *name;
	unsigned number;
};

struct factory {
	char *name;
	struct employee **employees;
	size_t employee_count;
};

/* What an instance leads to: a member by member account, written once per struct. */
static const struct memcapture_field employee_fields[] = {
	MEMCAPTURE_STRING(struct employee, assigned),
	MEMCAPTURE_STRING(struct employee, name),
};
static const struct memcapture_layout employee_layout = {
	.name = "employee",
	.size = sizeof(struct employee),
	.fields = employee_fields,
	.field_count = sizeof(employee_fields) / sizeof(employee_fields[0]),
};

static const struct memcapture_field factory_fields[] = {
	MEMCAPTURE_STRING(struct factory, name),
	MEMCAPTURE_COUNTED_POINTERS(struct factory, employees, employee_count, &employee_layout),
};
static const struct memcapture_layout factory_layout = {
	.name = "factory",
	.size = sizeof(struct factory),
	.fields = factory_fields,
	.field_count = sizeof(factory_fields) / sizeof(factory_fields[0]),
};

static struct factory *create_factory(void)
{
	struct factory *factory = calloc(1, sizeof(*factory));

	if (factory)
		factory->name = strdup("Assembly Line Unlimited");
	return factory;
}

static int populate_factory(struct factory *factory, struct memcapture_class *employees)
{
	factory->employees = calloc(EMPLOYEES, sizeof(*factory->employees));
	if (!factory->employees)
		return -1;
	for (unsigned i = 0; i < EMPLOYEES; i++) {
		struct employee *worker = calloc(1, sizeof(*worker));
		char name[32];

		if (!worker)
			return -1;
		snprintf(name, sizeof(name), "Employee %u", i + 1);
		worker->assigned = factory->name;
		worker->name = strdup(name);
		worker->number = i + 1;
		factory->employees[factory->employee_count++] = worker;
		memcapture_track(employees, worker); /* the line that a constructor gets */
	}
	return 0;
}

static void free_factory(struct memcapture *capture, struct factory *factory)
{
	for (size_t i = 0; i < factory->employee_count; i++) {
		memcapture_forget(capture, factory->employees[i]); /* and the one in a destructor */
		free(factory->employees[i]->name);
		free(factory->employees[i]);
	}
	memcapture_forget(capture, factory);
	free(factory->employees);
	free(factory->name);
	free(factory);
}

/* The same sums by hand. */
static void print_known(const char *description, const struct factory *factory)
{
	size_t factory_bytes = sizeof(*factory) + strlen(factory->name) + 1;
	size_t employee_bytes = 0;

	factory_bytes += factory->employee_count * sizeof(*factory->employees);
	for (size_t i = 0; i < factory->employee_count; i++)
		employee_bytes += sizeof(struct employee) + strlen(factory->employees[i]->name) + 1;
	printf("%s: Factory 1 object, %zu bytes\n", description, factory_bytes);
	printf("%s: Employee %zu objects, %zu bytes\n", description, factory->employee_count, employee_bytes);
}

int main(void)
{
	const struct memcapture_class_options factory_options = {
		.name = "Factory",
		.layout = &factory_layout,
		.resolution_level = 1,
	};
	const struct memcapture_class_options employee_options = {
		.name = "Employee",
		.layout = &employee_layout,
		.resolution_level = 1,
		.trace = 1,
	};
	struct memcapture *capture;
	struct memcapture_error error = { 0 };
	struct factory *factory = create_factory();

	if (!factory || memcapture_open(&capture, "factory.dat", &error) < 0) {
		fprintf(stderr, "factory: %s\n", factory ? error.message : "no memory");
		free(factory);
		return 1;
	}
	memcapture_track_object(capture, factory, &factory_options);

	struct memcapture_class *employees = memcapture_track_class(capture, &employee_options);

	memcapture_snapshot(capture, "created");
	print_known("created", factory);
	if (populate_factory(factory, employees) < 0)
		fputs("factory: no memory for all employees\n", stderr);
	memcapture_snapshot(capture, "populated");
	print_known("populated", factory);

	free_factory(capture, factory);
	if (memcapture_close(capture, &error) < 0) {
		fprintf(stderr, "factory: %s\n", error.message);
		return 1;
	}
	return 0;
}
