#pragma once

#include "ops/cli/terminal.hpp"

#include <chrono>
#include <cstddef>
#include <ostream>
#include <string>

namespace rowlock::ops {

// One line of a bar: "submitting [#####-----] 500/1000  50%". `done` beyond `total` counts as `total`. Pure.
std::string bar_line(std::string_view label, std::size_t done, std::size_t total, bool unicode);

// Redraws one line on stderr, at most ten times a second, and removes it when it goes. Writes nothing where the style is not `live`.
class progress_bar {
public:
    progress_bar(std::ostream& err, const terminal_style& style, bool quiet, std::string label, std::size_t total);
    ~progress_bar();
    progress_bar(const progress_bar&) = delete;
    progress_bar& operator=(const progress_bar&) = delete;

    void advance_to(std::size_t done);
    // Goes on as another bar, in the same line.
    void restate(std::string label, std::size_t total);

private:
    std::ostream& err_;
    bool shown_;
    bool unicode_;
    std::string label_;
    std::size_t total_;
    bool drawn_ = false;
    std::chrono::steady_clock::time_point last_{};
};

}
