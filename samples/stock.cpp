/* SPDX-License-Identifier: MIT
 *
 * A program in C++ that knows nothing of memreport, to be recorded: templates,
 * containers and functions that the compiler inlines, all of which its call stacks
 * name as they are written.
 *
 *     memrecord -o stock.dat build/samples/stock
 *     memstats sites stock.dat --sort peak --limit 4
 *     memstats functions stock.dat --filter stock:: --sort total
 *     memstats tree stock.dat --focus Shelf --limit 20
 */
#include <cstdio>
#include <map>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace stock
{

constexpr int items_count = 2000;

struct Item {
	std::string name;
	std::vector<int> prices;
};

/* A place for things of one kind. */
template <typename Thing> class Shelf
{
      public:
	Thing &put(const std::string &name)
	{
		auto &place = things[name];
		if (!place)
			place = make(name);
		return *place;
	}

	std::size_t size() const
	{
		return things.size();
	}

	/* What it costs all together; throws where there is nothing of that name. */
	long take(const std::string &name)
	{
		const auto found = things.find(name);
		if (found == things.end())
			throw std::out_of_range("no " + name);
		const auto &prices = found->second->prices;
		const long sum = std::accumulate(prices.begin(), prices.end(), 0L);
		things.erase(found);
		return sum;
	}

      private:
	static inline std::unique_ptr<Thing> make(const std::string &name)
	{
		auto thing = std::make_unique<Thing>();
		thing->name = name;
		return thing;
	}

	std::map<std::string, std::unique_ptr<Thing>> things;
};

std::string name_of(int number)
{
	return "an item with a number that makes its name long: " + std::to_string(number);
}

void fill(Shelf<Item> &shelf)
{
	for (int i = 0; i < items_count; i++)
		for (int price = 0; price <= i % 50; price++)
			shelf.put(name_of(i)).prices.push_back(price);
}

/* Every second one, and some that are not there. */
long sell(Shelf<Item> &shelf, int &missed)
{
	long sum = 0;

	for (int i = 0; i < items_count + 100; i += 2) {
		try {
			sum += shelf.take(name_of(i));
		} catch (const std::out_of_range &) {
			missed++;
		}
	}
	return sum;
}

} // namespace stock

int main()
{
	/* Never deleted: what is left on it is what leaked. */
	auto &shelf = *new stock::Shelf<stock::Item>;
	int missed = 0;

	stock::fill(shelf);
	const long sum = stock::sell(shelf, missed);
	std::printf("sold for %ld, %d not there, %zu items left\n", sum, missed, shelf.size());
	std::printf("shelf never deleted: 1 block, %zu bytes\n", sizeof(shelf));
	return 0;
}
