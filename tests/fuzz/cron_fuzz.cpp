#include "runtime/schedule/wall_search.hpp"
#include "runtime/schedule/zone.hpp"
#include "runtime/schedule/zone_rule.hpp"
#include "storage/model/cron.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

using namespace rowlock;
using namespace rowlock::runtime;

// An expression is a pattern or an error with a place in it; a pattern fits something within the 400 years that the calendar takes to come again, and
// nothing before what was found first.
void try_expression(std::string_view text)
{
    constexpr epoch_seconds begin = 951'782'400;        // 2000-02-29, after which the next leap day that falls on a given weekday is furthest away
    constexpr epoch_seconds four_centuries = 146'097LL * 86'400;
    const auto parsed = parse_cron(text);
    if (const auto* bad = std::get_if<cron_error>(&parsed)) {
        if (bad->position < 1 || bad->position > text.size() + 2 || bad->message.empty()) std::abort();
        return;
    }
    const auto& pattern = std::get<cron_pattern>(parsed);
    const auto found = next_reading(pattern, begin, begin + four_centuries);
    if (!found || *found < begin) std::abort();
    if (next_reading(pattern, *found, *found + 1) != found) std::abort();
    if (next_reading(pattern, begin, *found)) std::abort();
}

// The stretches of a zone lie beside each other, however far away.
void try_zone(std::string_view data)
{
    const auto parsed = zone::parse(data);
    if (!parsed) {
        if (parsed.error().detail.empty()) std::abort();
        return;
    }
    for (epoch_seconds at : {-4'000'000'000LL, 0LL, 1'800'000'000LL, 40'000'000'000LL, 250'000'000'000LL}) {
        for (int i = 0; i < 20; ++i) {
            const auto here = parsed->at(at);
            if (at < here.begin || at >= here.end) std::abort();
            if (here.end == zone::always) break;
            if (parsed->at(here.end).begin != here.end || parsed->at(here.end).offset != here.offset_after) std::abort();
            at = here.end;
        }
    }
}

}

// Any bytes are taken as a cron expression, as the rule of a zone and as a zone's file: each is read, or refused.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (size <= 512) try_expression(text);
    (void)rowlock::runtime::parse_zone_rule(text);
    try_zone(text);
    return 0;
}
