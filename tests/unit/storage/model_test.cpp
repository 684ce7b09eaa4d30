#include "storage/model/execution.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/principal.hpp"
#include "storage/model/time.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;

TEST_CASE("an execution id keeps its milliseconds, block and ordinal where SQL expects them", "[unit][ids]")
{
    const auto id = execution_id::make(0x0123456789ab, (std::uint64_t{0xabcd} << 38) | 0x3fffffffffull, 0xfedcb);
    CHECK(id.str() == "01234567-89ab-7abc-b7ff-ffffffffedcb");
    CHECK(id.ordinal() == 0xfedcb);
    CHECK(id.with_ordinal(1).ordinal() == 1);
    CHECK(id.with_ordinal(id.ordinal()) == id);
}

TEST_CASE("ids of one block follow each other in the order of their ordinals", "[unit][ids]")
{
    const auto first = execution_id::make(1'700'000'000'000, 7, 0);
    CHECK(first < first.with_ordinal(1));
    CHECK(first.with_ordinal(execution_id::max_ordinal) < execution_id::make(1'700'000'000'001, 0, 0));
}

TEST_CASE("a uuid is read in its canonical form only", "[unit][ids]")
{
    CHECK(uuid::parse("01a1fd81-e411-7000-8406-205fc8000000")->str() == "01a1fd81-e411-7000-8406-205fc8000000");
    CHECK(uuid::parse("01A1FD81-E411-7000-8406-205FC8000000")->str() == "01a1fd81-e411-7000-8406-205fc8000000");
    for (const char* bad : {"", "01a1fd81e41170008406205fc8000000", "01a1fd81-e411-7000-8406-205fc800000", "01a1fd81-e411-7000-8406-205fc80000000",
                            "01a1fd81-e411-7000-8406_205fc8000000", "g1a1fd81-e411-7000-8406-205fc8000000", "{01a1fd81-e411-7000-8406-205fc800000}"}) {
        INFO(bad);
        CHECK_FALSE(uuid::parse(bad));
    }
}

TEST_CASE("a slug is lower case, begins with a letter or digit and has at most 128 characters", "[unit][ids]")
{
    CHECK(is_slug("a"));
    CHECK(is_slug("0-a.b_c"));
    CHECK(is_slug(std::string(128, 'x')));
    for (const std::string bad : {"", "A", "-a", ".a", "a b", "a/b", "\xc3\xa9"}) {
        INFO(bad);
        CHECK_FALSE(is_slug(bad));
    }
    CHECK_FALSE(is_slug(std::string(129, 'x')));
}

TEST_CASE("times are written in UTC with microseconds, and read with any offset", "[unit][time]")
{
    struct row {
        const char* why;
        const char* text;
        const char* expected;
    };
    const auto r = GENERATE(values<row>({
        {"UTC", "2026-01-31T09:30:00Z", "2026-01-31T09:30:00.000000Z"},
        {"an offset to the east", "2026-01-31T09:30:00.5+02:00", "2026-01-31T07:30:00.500000Z"},
        {"an offset to the west over midnight", "2026-01-31T23:30:00-01:30", "2026-02-01T01:00:00.000000Z"},
        {"nanoseconds are cut", "2026-01-31T09:30:00.123456789Z", "2026-01-31T09:30:00.123456Z"},
        {"a leap second counts as the next", "2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z"},
    }));
    INFO(r.why);
    const auto at = parse_rfc3339(r.text);
    REQUIRE(at);
    CHECK(to_rfc3339(*at) == r.expected);
    CHECK(parse_rfc3339(to_rfc3339(*at)) == at);
}

TEST_CASE("what is no time of RFC 3339 is refused", "[unit][time]")
{
    for (const char* bad : {"", "2026-02-30T00:00:00Z", "2026-01-31", "2026-01-31T24:00:00Z", "2026-01-31T09:30:00", "2026-01-31T09:30:00.Z", "2026-1-31T09:30:00Z",
                            "2026-01-31T09:30:00+2:00", "2026-01-31T09:30:00Zx", "1969-12-31T23:59:59Z", "2026-01-31T09:30:00.1234567890Z"}) {
        INFO(bad);
        CHECK_FALSE(parse_rfc3339(bad));
    }
}

TEST_CASE("states follow each other only along the edges of the diagram", "[unit][states]")
{
    using enum execution_status;
    CHECK(may_follow(pending, queued));
    CHECK(may_follow(running, completing));
    CHECK(may_follow(running, queued));
    CHECK_FALSE(may_follow(pending, running));
    CHECK_FALSE(may_follow(queued, completed));
    CHECK_FALSE(may_follow(running, skipped));
    for (const auto ended : {completed, failed, timeout, cancelled, skipped}) {
        for (const auto next : {pending, queued, running, completing, completed, failed, timeout, cancelled, skipped}) CHECK_FALSE(may_follow(ended, next));
    }
}

TEST_CASE("each role may do what the ones below it may, and a worker nothing but work", "[unit][roles]")
{
    const role ladder[] = {role::viewer, role::operator_, role::editor};
    const permission rights[] = {permission::read, permission::operate, permission::define};
    for (int r = 0; r < 3; ++r) {
        for (int p = 0; p < 3; ++p) CHECK(permits(ladder[r], rights[p]) == (p <= r));
        CHECK_FALSE(permits(ladder[r], permission::administer));
        CHECK_FALSE(permits(ladder[r], permission::approve));
    }
    CHECK(permits(role::approver, permission::approve));
    CHECK(permits(role::admin, permission::administer));
    for (const auto p : rights) CHECK_FALSE(permits(role::worker, p));
}
