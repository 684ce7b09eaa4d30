#pragma once

#include "storage/model/ids.hpp"
#include "storage/model/time.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace rowlock::storage {

// A place in a list that is ordered by a time and then by an id.
struct time_place {
    timestamp at{};
    execution_id id{};
};

// A place as two parameters of a statement; both null where there is none.
struct place_columns {
    explicit place_columns(const std::optional<time_place>& place)
        : time(place ? to_rfc3339(place->at) : std::string()), id(place ? place->id.str() : std::string())
    {
    }

    std::string time;
    std::string id;
};

// TIME_ID, which is what `rfc3339(time) || '_' || id` gives in SQL.
std::string to_cursor(const time_place& place);
// nullopt: it is no such text.
std::optional<time_place> parse_time_cursor(std::string_view text);

}
