#include "runtime/execute/ledger.hpp"
#include "runtime/execute/slots.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace std::chrono_literals;

namespace {

execution_id id(std::uint32_t n) { return execution_id::make(1, 1, n); }

}

TEST_CASE("an extent is forgotten when all of it has been settled", "[unit][ledger]")
{
    ledger l;
    l.add(id(0), fence{1}, 3, tenant_key{1});
    l.settled(id(0), fence{1}, 2);
    CHECK(l.all().size() == 1);
    l.settled(id(0), fence{1}, 1);
    CHECK(l.all().empty());
}

TEST_CASE("what only waits, and has given its slot back, is not counted as running", "[unit][ledger]")
{
    ledger l;
    const tenant_key acme{7};
    l.add(id(0), fence{1}, 3, acme);
    l.rests(id(0), fence{1});
    l.rests(id(0), fence{1});
    CHECK(l.running().at(acme) == 1);
    l.goes_on(id(0), fence{1});
    CHECK(l.running().at(acme) == 2);
    l.settled(id(0), fence{1}, 2);
    CHECK_FALSE(l.running().contains(acme));
    l.goes_on(id(0), fence{1});
    CHECK(l.running().at(acme) == 1);
    l.settled(id(0), fence{1}, 1);
    CHECK(l.running().empty());
    // It was lost meanwhile.
    l.goes_on(id(0), fence{1});
    CHECK(l.running().empty());
}

TEST_CASE("an extent that the ledger does not know is a stranger only after it was unknown for long enough", "[unit][ledger]")
{
    ledger l;
    l.add(id(0), fence{1}, 1, tenant_key{1});
    const std::vector<storage::owned_extent> owned{{id(0), id(0), fence{1}, 1}, {id(5), id(5), fence{2}, 1}};
    const auto start = steady_clock::now();
    CHECK(l.strangers(owned, start, 10s).empty());
    CHECK(l.strangers(owned, start + 9s, 10s).empty());
    const auto found = l.strangers(owned, start + 10s, 10s);
    REQUIRE(found.size() == 1);
    CHECK(found[0].lo == id(5));
}

TEST_CASE("an extent whose answer arrives late is no stranger", "[unit][ledger]")
{
    ledger l;
    const std::vector<storage::owned_extent> owned{{id(5), id(5), fence{2}, 1}};
    const auto start = steady_clock::now();
    CHECK(l.strangers(owned, start, 10s).empty());
    l.add(id(5), fence{2}, 1, tenant_key{1});
    CHECK(l.strangers(owned, start + 20s, 10s).empty());
}

TEST_CASE("what a submission may just have stored as its own is no stranger until its answer is there", "[unit][ledger]")
{
    ledger l;
    const std::vector<storage::owned_extent> owned{{id(5), id(6), fence{1}, 2}, {execution_id::make(1, 2, 0), execution_id::make(1, 2, 0), fence{1}, 1}};
    l.expect(id(0), id(execution_id::max_ordinal));
    const auto now = steady_clock::now();
    const auto of_another_block = l.strangers(owned, now, 0s);
    REQUIRE(of_another_block.size() == 1);
    CHECK(of_another_block[0].lo == owned[1].lo);
    l.arrived();
    CHECK(l.strangers(owned, now, 0s).size() == 2);
}

TEST_CASE("slots are taken as far as there are any, and never more", "[unit][slots]")
{
    slots s(5);
    CHECK(s.take(3) == 3);
    CHECK(s.take(3) == 2);
    CHECK(s.take(1) == 0);
    CHECK(s.in_use() == 5);
    s.give(4);
    CHECK(s.available() == 4);
    CHECK(s.take(0) == 0);
}
