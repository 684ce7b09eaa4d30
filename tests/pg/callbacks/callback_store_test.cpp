#include "storage/callback_store.hpp"

#include "tests/pg/queue/queue_database.hpp"
#include "tests/pg/queue/queue_traffic.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::storage;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

constexpr auto running = execution_status::running;
constexpr auto completed = execution_status::completed;
constexpr auto failed = execution_status::failed;

std::string signature(char n)
{
    return std::string(32, n);
}

// A running execution whose target may report.
struct reported {
    queue_database db;
    instance_id me = db.instance();
    claimed_extent mine;
    execution_id id;

    reported()
    {
        submission sent;
        sent.extent(db.job("a")).commit(db.service());
        mine = claim_one(db.service(), me);
        id = sent.id();
        REQUIRE(open_callback(db.service(), id, me, mine.fence, "secret").has_value());
    }

    callback_verdict accept(char n, execution_status status, std::optional<double> progress = {}, const std::string& reply = {})
    {
        return accept_callback(db.service(), id, signature(n), status, progress, reply);
    }
    void end() { ends(mine).end(id).commit(db.service(), me); }
};

}

TEST_CASE("what has been reported is seen once, the latest of it", "[pg][callbacks]")
{
    reported r;
    CHECK(unseen_callbacks(r.db.service(), r.me, 10).empty());
    CHECK(r.accept('a', running, 0.25) == callback_verdict::taken);
    CHECK(r.accept('b', running) == callback_verdict::taken);
    auto unseen = unseen_callbacks(r.db.service(), r.me, 10);
    REQUIRE(unseen.size() == 1);
    CHECK(unseen[0].id == r.id);
    CHECK(unseen[0].status == running);
    CHECK(unseen[0].progress == 0.25);
    CHECK(unseen[0].reports == 2);
    CHECK(unseen_callbacks(r.db.service(), r.db.instance(), 10).empty());
    // A report that comes in between is seen afterwards.
    CHECK(r.accept('c', completed, {}, R"({"rows": 1})") == callback_verdict::taken);
    mark_callbacks_seen(r.db.service(), unseen);
    unseen = unseen_callbacks(r.db.service(), r.me, 10);
    REQUIRE(unseen.size() == 1);
    CHECK(unseen[0].status == completed);
    CHECK(unseen[0].reply == R"({"rows": 1})");
    mark_callbacks_seen(r.db.service(), unseen);
    CHECK(unseen_callbacks(r.db.service(), r.me, 10).empty());
}

TEST_CASE("a report is taken in once, and none after the end", "[pg][callbacks]")
{
    reported r;
    CHECK(r.accept('a', running) == callback_verdict::taken);
    CHECK(r.accept('a', running) == callback_verdict::replayed);
    CHECK(r.accept('b', failed, {}, "{}") == callback_verdict::taken);
    CHECK(r.accept('b', failed, {}, "{}") == callback_verdict::replayed);
    CHECK(r.accept('c', completed, {}, "{}") == callback_verdict::reported);
    CHECK(r.accept('d', running) == callback_verdict::reported);
    CHECK(unseen_callbacks(r.db.service(), r.me, 10).at(0).status == failed);
    r.end();
    CHECK(r.accept('e', running) == callback_verdict::ended);
}

TEST_CASE("signatures are kept for as long as their timestamps would be accepted", "[pg][callbacks]")
{
    reported r;
    CHECK(r.accept('a', running) == callback_verdict::taken);
    r.db.move_clock(10min);
    CHECK(r.accept('b', running) == callback_verdict::taken);
    CHECK(r.db.value("select count(*) from callback_signatures") == "2");
    CHECK(r.accept('a', running) == callback_verdict::replayed);
    r.db.move_clock(12min);
    CHECK(r.accept('c', running) == callback_verdict::taken);
    CHECK(r.db.value("select count(*) from callback_signatures") == "2");
}

TEST_CASE("to open it again keeps the secret and what was reported, under a fence that is no older", "[pg][callbacks]")
{
    reported r;
    CHECK(r.accept('a', completed, {}, R"({"rows": 1})") == callback_verdict::taken);
    const auto other = r.db.instance();
    const auto again = open_callback(r.db.service(), r.id, other, fence{r.mine.fence.value + 1}, "another");
    REQUIRE(again.has_value());
    CHECK(again->secret == "secret");
    CHECK(again->now.status == completed);
    CHECK(again->now.reply == R"({"rows": 1})");
    const auto late = open_callback(r.db.service(), r.id, r.me, r.mine.fence, "another");
    REQUIRE_FALSE(late.has_value());
    CHECK(late.error().code == errc::already_ended);
    CHECK(r.db.value("select instance_id from callbacks") == std::to_string(other.value));
}

TEST_CASE("what has ended opens no callback, and has none left", "[pg][callbacks]")
{
    reported r;
    const auto key = find_callback_key(r.db.service(), r.id);
    CHECK(key.known);
    CHECK_FALSE(key.ended);
    CHECK(key.secret == "secret");
    CHECK(r.accept('a', running) == callback_verdict::taken);
    CHECK(sweep_callbacks(r.db.service(), 10) == 0);
    r.end();
    CHECK(find_callback_key(r.db.service(), r.id).ended);
    CHECK(sweep_callbacks(r.db.service(), 10) == 1);
    CHECK(r.db.value("select count(*) from callback_signatures") == "0");
    CHECK_FALSE(find_callback_key(r.db.service(), r.id).secret);
    CHECK_FALSE(open_callback(r.db.service(), r.id, r.me, r.mine.fence, "secret").has_value());
    CHECK_FALSE(find_callback_key(r.db.service(), first_of_new_block()).known);
}

TEST_CASE("a callback that is closed takes nothing in any more", "[pg][callbacks]")
{
    reported r;
    close_callbacks(r.db.service(), {r.id, first_of_new_block()});
    CHECK(r.accept('a', completed, {}, "{}") == callback_verdict::ended);
    const auto key = find_callback_key(r.db.service(), r.id);
    CHECK(key.known);
    CHECK_FALSE(key.ended);
    CHECK_FALSE(key.secret);
}

TEST_CASE("the key of a callback comes with the database's clock", "[pg][callbacks]")
{
    reported r;
    const auto before = find_callback_key(r.db.service(), r.id).now;
    r.db.move_clock(1h);
    CHECK(find_callback_key(r.db.service(), r.id).now >= before + 3600);
}

TEST_CASE("nobody but the service reads the secrets", "[pg][callbacks]")
{
    reported r;
    CHECK(r.db.value("select has_table_privilege('rowlock_auditor', 'callbacks', 'select')") == "f");
    CHECK(r.db.value("select count(*) from information_schema.columns where table_schema = 'rowlock' and table_name like 'v\\_%' and column_name like '%secret%' and column_name not in ('has_secret', 'secret_env')") == "0");
}
