#include "storage/model/cron.hpp"

#include <bit>
#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

using namespace rowlock;

namespace {

cron_pattern parsed(std::string_view text)
{
    const auto pattern = parse_cron(text);
    if (const auto* bad = std::get_if<cron_error>(&pattern)) FAIL(text << ": " << bad->message);
    return std::get<cron_pattern>(pattern);
}

cron_error refused(std::string_view text)
{
    const auto pattern = parse_cron(text);
    if (std::holds_alternative<cron_pattern>(pattern)) FAIL(text << " is not refused");
    return std::get<cron_error>(pattern);
}

std::vector<int> values(std::uint64_t bits)
{
    std::vector<int> all;
    for (; bits != 0; bits &= bits - 1) all.push_back(std::countr_zero(bits));
    return all;
}

constexpr unsigned thursday = 4;
constexpr unsigned saturday = 6;

}

TEST_CASE("a cron field takes lists, ranges, steps and names", "[unit][schedule]")
{
    struct row {
        const char* why;
        const char* minute;
        std::vector<int> expected;
    };
    auto r = GENERATE(values<row>({
        {"a value", "7", {7}},
        {"a list, in any order", "30,5,17", {5, 17, 30}},
        {"a range, with both of its ends", "3-6", {3, 4, 5, 6}},
        {"a step over everything", "*/20", {0, 20, 40}},
        {"a step over a range", "10-30/10", {10, 20, 30}},
        {"a step from a value to the end", "50/4", {50, 54, 58}},
        {"a step over an hour's 60 minutes leaves its first", "*/60", {0}},
        {"parts that overlap", "1-3,2-4,3", {1, 2, 3, 4}},
        {"zeros in front", "05", {5}},
    }));
    INFO(r.why);
    CHECK(values(parsed(std::string(r.minute) + " * * * *").minutes) == r.expected);
}

TEST_CASE("five fields begin with the minute, six with the second", "[unit][schedule]")
{
    const auto five = parsed("1 2 3 4 5");
    CHECK(values(five.seconds) == std::vector{0});
    CHECK(values(five.minutes) == std::vector{1});
    CHECK(values(five.hours) == std::vector{2});
    CHECK(values(five.days) == std::vector{3});
    CHECK(values(five.months) == std::vector{4});
    CHECK(values(five.weekdays) == std::vector{5});
    CHECK(values(parsed("9 1 2 3 4 5").seconds) == std::vector{9});
    CHECK(parsed("  9\t1 2 3 4 5 ") == parsed("9 1 2 3 4 5"));
}

TEST_CASE("Sunday is 0 and 7, and names of days and months are taken in any case", "[unit][schedule]")
{
    struct row {
        const char* weekday;
        std::vector<int> expected;
    };
    auto r = GENERATE(values<row>({
        {"0", {0}},
        {"7", {0}},
        {"5-7", {0, 5, 6}},
        {"fri-Sun", {0, 5, 6}},
        {"MON-FRI", {1, 2, 3, 4, 5}},
        {"SUN,3", {0, 3}},
        {"0-7", {0, 1, 2, 3, 4, 5, 6}},
        {"*/2", {0, 2, 4, 6}},
        {"1/2", {1, 3, 5}},
        {"?", {0, 1, 2, 3, 4, 5, 6}},
    }));
    INFO(r.weekday);
    CHECK(values(parsed(std::string("0 0 * * ") + r.weekday).weekdays) == r.expected);
    CHECK(values(parsed("0 0 1 jan,Mar-MAY *").months) == std::vector{1, 3, 4, 5});
}

TEST_CASE("words stand for whole expressions", "[unit][schedule]")
{
    CHECK(parsed("@hourly") == parsed("0 * * * *"));
    CHECK(parsed("@daily") == parsed("0 0 * * *"));
    CHECK(parsed("@midnight") == parsed("0 0 * * *"));
    CHECK(parsed("@weekly") == parsed("0 0 * * 0"));
    CHECK(parsed("@Monthly") == parsed("0 0 1 * *"));
    CHECK(parsed("@yearly") == parsed("0 0 1 1 *"));
    CHECK(parsed("@annually") == parsed("@yearly"));
    CHECK(parsed("@minutely") == parsed("* * * * *"));
}

TEST_CASE("days of a month follow the rules of L, W and #", "[unit][schedule]")
{
    // January 2026 begins on a Thursday and ends on a Saturday; August 2026 begins on a Saturday; February 2026 has 28 days from a Sunday on.
    struct row {
        const char* why;
        const char* days;                        // of the month, and of the week
        unsigned first_weekday;
        unsigned length;
        std::vector<int> expected;
    };
    auto r = GENERATE(values<row>({
        {"L is the last day", "L * *", thursday, 31, {31}},
        {"L is the last day in February too", "L * *", 0, 28, {28}},
        {"L-3 is three days before it", "L-3 * *", thursday, 31, {28}},
        {"LW is the last workday", "LW * *", thursday, 31, {30}},
        {"W of a Saturday is the Friday before", "10W * *", thursday, 31, {9}},
        {"W of a Sunday is the Monday after", "11W * *", thursday, 31, {12}},
        {"W of a workday is that day", "14W * *", thursday, 31, {14}},
        {"W does not leave the month at its beginning", "1W * *", saturday, 31, {3}},
        {"W does not leave the month at its end", "31W * *", 5, 31, {29, }},
        {"W of a day that the month does not have is none", "31W * *", thursday, 30, {}},
        {"5L is the last Friday", "* * 5L", thursday, 31, {30}},
        {"SUNL is the last Sunday", "? * SUNL", thursday, 31, {25}},
        {"MON#1 is the first Monday", "* * MON#1", thursday, 31, {5}},
        {"4#5 is the fifth Thursday", "* * 4#5", thursday, 31, {29}},
        {"there is no fifth Monday", "* * 1#5", thursday, 31, {}},
        {"lists join them", "1,L,15W * *", thursday, 31, {1, 15, 31}},
        {"either matches where both day fields are restricted", "1 * MON", thursday, 31, {1, 5, 12, 19, 26}},
        {"a field that begins with * does not widen the other", "*/10 * MON", 4, 31, {}},
        {"both must match then", "*/10 * SUN", thursday, 31, {11}},
        {"? restricts nothing", "? * MON", thursday, 31, {5, 12, 19, 26}},
    }));
    INFO(r.why);
    CHECK(values(fitting_days(parsed(std::string("0 0 ") + r.days), r.first_weekday, r.length)) == r.expected);
}

TEST_CASE("an expression that is refused says which field is wrong, where, and how", "[unit][schedule]")
{
    struct row {
        const char* text;
        std::size_t position;
        const char* says;
    };
    auto r = GENERATE(values<row>({
        {"60 * * * *", 1, "the minute field, at character 1: 60 is not within 0..59"},
        {"0 24 * * *", 3, "the hour field, at character 3: 24 is not within 0..23"},
        {"0 0 32 * *", 5, "the day-of-month field, at character 5: 32 is not within 1..31"},
        {"0 0 0 * *", 5, "0 is not within 1..31"},
        {"0 0 * 13 *", 7, "the month field, at character 7: 13 is not within 1..12"},
        {"0 0 * * 8", 9, "the day-of-week field, at character 9: 8 is not within 0..7"},
        {"61 0 0 * * *", 1, "the second field, at character 1: 61"},
        {"0 0 * * MOM", 9, "MOM is neither a number within 0..7 nor a name like MON"},
        {"0 0 * FOO *", 7, "FOO is neither a number within 1..12 nor a name like FEB"},
        {"x * * * *", 1, "x is no number within 0..59"},
        {"1,,2 * * * *", 3, "a value is missing"},
        {"1- * * * *", 3, "a value is missing"},
        {"*/0 * * * *", 3, "0 is not within 1..60 as a step"},
        {"*/90 * * * *", 3, "90 is not within 1..60 as a step"},
        {"*/ * * * *", 3, "nothing is not within 1..60 as a step"},
        {"*/-5 * * * *", 3, "-5 is not within 1..60 as a step"},
        {"30-10 * * * *", 1, "30-10 runs backwards; write two ranges with a comma between them"},
        {"0 0 * * 6-1", 9, "6-1 runs backwards"},
        {"99999999999999999999 * * * *", 1, "is not within 0..59"},
        {"? * * * *", 1, "? means any day, and stands only in the day fields; write *"},
        {"0 0 1,? * *", 7, "? stands alone in its field"},
        {"0 0 L-31 * *", 7, "31 is not within 1..30 as days before the last"},
        {"0 0 LX * *", 5, "LX is none of L, L-n and LW"},
        {"0 0 1-5W * *", 5, "W stands after one day, as in 15W, and not in 1-5W"},
        {"0 0 * * L", 9, "L needs a weekday before it"},
        {"0 0 * * 5#6", 11, "6 is not within 1..5"},
        {"0 0 * * 5#", 11, "nothing is not within 1..5"},
        {"0 0 * L *", 7, "L is neither a number within 1..12"},
        {"* * * *", 8, "has 4 fields; it must have five"},
        {"* * * * * * *", 13, "has 7 fields"},
        {"", 1, "has 0 fields"},
        {"@reboot", 1, "@reboot is none of @yearly"},
        {"0 0 30 2 *", 5, "never fires: none of its months has a day that fits"},
        {"0 0 31 2,4,6,9,11 ?", 5, "never fires"},
        {"0 0 31W APR *", 5, "never fires"},
        {"0 0 L-29 2 *", 5, "never fires"},
        {"0 0 30 2 */7", 5, "never fires"},
        {"0 0 */31 1 SUN#2", 5, "never fires"},
    }));
    INFO(r.text);
    const auto error = refused(r.text);
    CHECK(error.position == r.position);
    CHECK_THAT(error.message, Catch::Contains(r.says));
}

TEST_CASE("all that is wrong with an expression is said at once", "[unit][schedule]")
{
    CHECK(refused("60 25 * 13 *").message == "the minute field, at character 1: 60 is not within 0..59; the hour field, at character 4: 25 is not within 0..23; "
                                             "the month field, at character 9: 13 is not within 1..12");
}

TEST_CASE("what is rare still fires: no expression that does is refused", "[unit][schedule]")
{
    const auto* text = GENERATE("0 0 29 2 *", "0 0 29 2 */7", "0 0 ? 2 5#5", "0 0 L-28 2 *", "0 0 30 2 1", "0 0 31W * *", "0 0 L-30 * *", "59 59 23 31 12 ?");
    INFO(text);
    parsed(text);
}
