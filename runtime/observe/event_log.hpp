#pragma once

#include <cstdint>
#include <spdlog/spdlog.h>
#include <string>
#include <string_view>

namespace rowlock::runtime {

// One structured event of the log (spec A6): a name and fields, in order. In JSON logs they are members of the line's object, in
// text logs name=value. Costs nothing where the level is off: check on() before building one on a hot path.
class event {
public:
    // How an event is told from an ordinary message where lines are formatted.
    static constexpr char mark = '\x01';

    static bool on(spdlog::level::level_enum level) { return spdlog::should_log(level); }

    explicit event(std::string_view name);

    event& add(std::string_view field, std::string_view value);      // left out where it is empty
    event& add(std::string_view field, std::int64_t value);
    event& add(std::string_view field, double value);

    void write(spdlog::level::level_enum level) const;

private:
    std::string members_;                            // JSON members, without braces
};

}
