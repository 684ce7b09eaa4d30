#include "runtime/schedule/zone.hpp"

#include "runtime/schedule/civil.hpp"
#include "runtime/schedule/zone_rule.hpp"

#include <algorithm>
#include <cstddef>
#include <fmt/format.h>
#include <optional>

namespace rowlock::runtime {

namespace {

error bad(std::string_view why)
{
    return {errc::invalid_request, fmt::format("This is no time zone data: {}.", why), {}, {}};
}

// Numbers with the most significant byte first. What reaches beyond the end is refused by who asks for it, before it is read.
std::uint64_t number_at(std::string_view data, std::size_t at, std::size_t bytes)
{
    std::uint64_t n = 0;
    for (std::size_t i = 0; i < bytes; ++i) n = n << 8 | static_cast<unsigned char>(data[at + i]);
    return n;
}

std::int64_t signed_at(std::string_view data, std::size_t at, std::size_t bytes)
{
    const std::uint64_t n = number_at(data, at, bytes);
    return bytes == 4 ? static_cast<std::int32_t>(static_cast<std::uint32_t>(n)) : static_cast<std::int64_t>(n);
}

// One of the one or two blocks of a file: its header says how many of each there are.
struct block {
    static constexpr std::size_t header_bytes = 44;
    static constexpr std::size_t type_bytes = 6;

    std::size_t begin;                              // of its header
    std::size_t time_bytes;
    char version;
    std::size_t leaps, times, types;
    std::size_t rest;                               // bytes of names and flags

    std::size_t times_at() const { return begin + header_bytes; }
    std::size_t indexes_at() const { return times_at() + times * time_bytes; }
    std::size_t types_at() const { return indexes_at() + times; }
    std::size_t end() const { return types_at() + types * type_bytes + rest + leaps * (time_bytes + 4); }
};

std::optional<block> block_at(std::string_view data, std::size_t begin, std::size_t time_bytes)
{
    if (begin > data.size() || data.size() - begin < block::header_bytes || data.substr(begin, 4) != "TZif") return std::nullopt;
    const auto count = [&](std::size_t i) { return static_cast<std::size_t>(number_at(data, begin + 20 + 4 * i, 4)); };
    block made{begin, time_bytes, data[begin + 4], count(2), count(3), count(4), count(5) + count(1) + count(0)};
    if (made.types == 0 || made.end() > data.size()) return std::nullopt;
    return made;
}

// The text between the two newlines at the end.
std::string_view footer_at(std::string_view data, std::size_t begin)
{
    if (begin >= data.size() || data[begin] != '\n') return {};
    const auto end = data.find('\n', begin + 1);
    return end == std::string_view::npos ? std::string_view() : data.substr(begin + 1, end - begin - 1);
}

struct rule_change {
    epoch_seconds begin;
    std::int32_t offset;
};

// Those of the years from `first` up to and without `end`, in order. Of two at one time the one that begins daylight saving comes after the other:
// so a rule says that it lasts for the whole year.
std::vector<rule_change> changes_by(const zone_rule& rule, std::int64_t first, std::int64_t end)
{
    std::vector<rule_change> made;
    const epoch_seconds until = days_of(end, 1, 1) * day_seconds - rule.standard;
    for (auto year = first; rule.has_daylight && year < end; ++year) {
        if (const auto at = rule.daylight_ends(year); at < until) made.push_back({at, rule.standard});
        if (const auto at = rule.daylight_begins(year); at < until) made.push_back({at, rule.daylight});
    }
    std::stable_sort(made.begin(), made.end(), [](const rule_change& a, const rule_change& b) { return a.begin < b.begin; });
    return made;
}

}

result<zone> zone::parse(std::string_view tzif)
{
    auto table = block_at(tzif, 0, 4);
    if (!table) return bad("it does not begin with a whole TZif block");
    const bool has_second = table->version >= '2';
    if (has_second) table = block_at(tzif, table->end(), 8);
    if (!table) return bad("its second block is not whole");
    if (table->leaps > 0) return bad("it counts leap seconds; the names without right/ do not");

    const auto offset_of = [&](std::size_t type) { return static_cast<std::int32_t>(signed_at(tzif, table->types_at() + type * block::type_bytes, 4)); };
    std::vector<change> changes{{-always, offset_of(0)}};
    for (std::size_t i = 0; i < table->times; ++i) {
        const auto type = number_at(tzif, table->indexes_at() + i, 1);
        if (type >= table->types) return bad("a change leads to a clock that it does not have");
        const auto begin = signed_at(tzif, table->times_at() + i * table->time_bytes, table->time_bytes);
        if (begin <= -always) {
            changes.back().offset = offset_of(type);
        } else if (begin >= always || begin <= changes.back().begin) {
            return bad("its changes are not in order");
        } else {
            changes.push_back({begin, offset_of(type)});
        }
    }

    // Changes for 400 years and one after the table, and one year more, since the first may be cut short by the table's end.
    const epoch_seconds last = changes.back().begin;
    const auto first_year = last == -always ? 1900 : date_of(floor_div(last, day_seconds)).year;
    const epoch_seconds first_whole_year = days_of(first_year + 1, 1, 1) * day_seconds;
    if (const auto text = has_second ? footer_at(tzif, table->end()) : std::string_view(); !text.empty()) {
        const auto rule = parse_zone_rule(text);
        if (!rule) return bad(fmt::format("its rule for the future, {}, cannot be understood", text.substr(0, 100)));
        for (const auto& [begin, offset] : changes_by(*rule, first_year, first_year + 402)) {
            if (begin > last) changes.push_back({begin, offset});
        }
    }

    std::vector<change> kept;
    for (const auto& each : changes) {
        constexpr std::int32_t most = 26 * 3600;    // RFC 8536, section 3.2
        if (each.offset <= -most || each.offset >= most) return bad("a clock of it is more than a day from UTC");
        if (!kept.empty() && kept.back().begin == each.begin) kept.pop_back();
        if (kept.empty() || kept.back().offset != each.offset) kept.push_back(each);
    }
    const bool repeats = kept.back().begin - first_whole_year >= cycle_seconds;
    return zone(std::move(kept), repeats);
}

zone::period zone::at(epoch_seconds at) const
{
    epoch_seconds shift = 0;
    if (repeats_ && at >= changes_.back().begin) {
        shift = ((at - changes_.back().begin) / cycle_seconds + 1) * cycle_seconds;
        at -= shift;
    }
    const auto next = std::upper_bound(changes_.begin() + 1, changes_.end(), at, [](epoch_seconds t, const change& c) { return t < c.begin; });
    const auto here = next - 1;
    period found{here->begin, next == changes_.end() ? always : next->begin, here->offset, here->offset, here->offset};
    if (here != changes_.begin()) found.offset_before = (here - 1)->offset;
    if (next != changes_.end()) found.offset_after = next->offset;
    if (found.begin != -always) found.begin += shift;
    if (found.end != always) found.end += shift;
    return found;
}

}
