#pragma once

#include "runtime/schedule/zone.hpp"
#include "storage/model/error.hpp"

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::runtime {

// The time zones of the system's tz data, each read when it is first asked for, and again when its file has changed: an update of the data holds
// from the next question on, without a restart. Any thread.
class zone_database {
public:
    // `folder` empty: $TZDIR, else /usr/share/zoneinfo.
    explicit zone_database(std::string folder = {});

    // UTC is known even where there is no data. Errors: invalid_timezone; the detail goes on where a field's name left off ("names no time
    // zone; the nearest is Europe/Berlin"). Looks at the file each time: about two microseconds, more when it has to be read.
    result<zone_ptr> find(std::string_view name);
    // All there are, in order. Walks the folder the first time; names that come later are found, but not listed.
    const std::vector<std::string>& names();

private:
    // What tells one state of a file from another.
    struct file_mark {
        std::int64_t size = 0;
        std::int64_t seconds = 0;
        std::int64_t nanoseconds = 0;
        std::uint64_t inode = 0;
        bool operator==(const file_mark&) const = default;
    };
    struct known_zone {
        zone_ptr clocks;
        file_mark mark;
    };

    error unknown(std::string_view name);

    std::string folder_;
    zone_ptr utc_;
    std::mutex mutex_;
    std::map<std::string, known_zone, std::less<>> zones_;
    std::vector<std::string> names_;
    bool walked_ = false;
};

}
