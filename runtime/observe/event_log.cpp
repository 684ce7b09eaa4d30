#include "runtime/observe/event_log.hpp"

#include "storage/model/json_text.hpp"

#include <fmt/format.h>

namespace rowlock::runtime {

event::event(std::string_view name)
{
    members_ += mark;
    members_ += "\"event\":";
    append_string(members_, name);
}

event& event::add(std::string_view field, std::string_view value)
{
    if (value.empty()) return *this;
    members_ += ',';
    append_string(members_, field);
    members_ += ':';
    append_string(members_, value);
    return *this;
}

event& event::add(std::string_view field, std::int64_t value)
{
    members_ += fmt::format(",\"{}\":{}", field, value);
    return *this;
}

event& event::add(std::string_view field, double value)
{
    members_ += fmt::format(",\"{}\":{:.6g}", field, value);
    return *this;
}

void event::write(spdlog::level::level_enum level) const
{
    spdlog::log(level, spdlog::string_view_t(members_));
}

}
