#pragma once

#include "runtime/schedule/zone.hpp"
#include "storage/model/error.hpp"

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

    // UTC is known even where there is no data. Errors: invalid_request, a sentence with the name and the nearest one that is known; where there
    // is no tz data at all it says so. Reads files: costs a microsecond when the zone is known, more the first time.
    result<zone_ptr> find(std::string_view name);
    // Every name, in order; walks the folder.
    std::vector<std::string> names() const;

private:
    struct file_mark {
        std::int64_t size = 0;
        std::int64_t seconds = 0;
        std::int64_t nanoseconds = 0;
        std::uint64_t inode = 0;
        bool operator==(const file_mark&) const = default;
    };
    struct entry {
        zone_ptr zone;
        file_mark mark;
    };

    error unknown(std::string_view name) const;

    std::string folder_;
    std::mutex mutex_;
    std::map<std::string, entry, std::less<>> zones_;
};

}
