#include "storage/model/error_codes.hpp"

#include <catch2/catch.hpp>
#include <set>
#include <string>

using namespace rowlock;

TEST_CASE("every code has a category, a meaning and a hint, and stands in the table once", "[unit][error_codes]")
{
    const std::set<std::string_view> categories{"SCHEDULING", "DEPENDENCY", "TRANSIENT", "PERMANENT", "TIMEOUT", "RESOURCE_EXHAUSTED", "STATE_CORRUPTION", "CANCELLED"};
    std::set<std::string_view> seen;
    for (const auto& entry : all_error_codes()) {
        INFO(entry.code);
        CHECK(seen.insert(entry.code).second);
        CHECK(categories.count(entry.category) == 1);
        CHECK(!entry.meaning.empty());
        CHECK((entry.hint.size() > 1 && entry.hint.back() == '.'));
        CHECK((entry.http_status == 0 || entry.http_status == 422 || entry.http_status == 429 || entry.http_status == 503));
    }
}

TEST_CASE("a code is found by itself or by its family; a job's own code is none of the table", "[unit][error_codes]")
{
    struct row {
        const char* code;
        const char* entry;                               // "" = none
    };
    const auto r = GENERATE(values<row>({
        {"TIMEOUT", "TIMEOUT"}, {"EXIT_3", "EXIT_<code>"}, {"SIGNAL_KILL", "SIGNAL_<name>"}, {"HTTP_503", "HTTP_<status>"}, {"DEP_002_CYCLE_DETECTED", "DEP_002_CYCLE_DETECTED"},
        {"EXIT_", ""}, {"TIMEOUT_", ""}, {"timeout", ""}, {"NO_SUCH_TABLE", ""}, {"", ""}, {"EXIT_<code>", "EXIT_<code>"},
    }));
    INFO(r.code);
    const auto* entry = find_error_code(r.code);
    CHECK((entry ? std::string(entry->code) : std::string()) == r.entry);
    CHECK(!hint_of(r.code).empty());
}
