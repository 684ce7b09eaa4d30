#include "storage/time_cursor.hpp"

namespace rowlock::storage {

std::string to_cursor(const time_place& place)
{
    return to_rfc3339(place.at) + '_' + place.id.str();
}

std::optional<time_place> parse_time_cursor(std::string_view text)
{
    const auto mark = text.find('_');
    if (mark == std::string_view::npos) return std::nullopt;
    const auto at = parse_rfc3339(text.substr(0, mark));
    const auto id = execution_id::parse(text.substr(mark + 1));
    if (!at || !id) return std::nullopt;
    return time_place{*at, *id};
}

}
