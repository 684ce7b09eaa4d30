#pragma once

#include "storage/model/error.hpp"
#include "storage/model/time.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::api {

// A part of a list that is read whole.
struct page_window {
    std::size_t first = 0;
    std::size_t most = 100;
};

// Reads the parameters of one query strictly: each reader names its parameter, checks it and notes what is wrong; whatever
// nobody has asked for is refused at the end, so that a misspelt filter never silently selects everything. Pure.
class query_reader {
public:
    explicit query_reader(std::string_view query);

    // Given at most once, not empty, valid UTF-8 without NUL, at most `longest` bytes.
    std::optional<std::string> text(std::string_view name, std::size_t longest = 1024);
    // Given any number of times.
    std::vector<std::string> texts(std::string_view name, std::size_t most);
    std::optional<std::int64_t> integer(std::string_view name, std::int64_t least, std::int64_t most);
    // Seconds with at most three decimals.
    std::optional<std::chrono::milliseconds> seconds(std::string_view name, std::chrono::milliseconds most);
    std::optional<timestamp> time(std::string_view name);
    bool flag(std::string_view name);

    // limit: 1..1000, 100 where it is left out.
    int limit();
    std::string cursor() { return text("cursor").value_or(""); }
    // One that `fits` says may be of this list; "" for the first page.
    std::string cursor_like(bool (*fits)(std::string_view));
    // The cursor of a list by name is the last name of the page before.
    std::string name_cursor();
    // The same of a list of versions.
    std::string version_cursor();
    // limit and cursor of a list that is read whole: its cursor is the number of items that went before.
    page_window window();

    void refuse(std::string_view name, std::string_view value, std::string message);
    // Refuses what was not asked for. Error invalid_request with everything that is wrong.
    result<void> finish();

private:
    struct parameter {
        std::string name;
        std::string value;
        bool read = false;
    };

    std::vector<parameter> given_;
    std::vector<field_error> errors_;
};

bool is_utf8(std::string_view text);

}
