#include "ops/cli/progress_bar.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace rowlock::ops {

namespace {

constexpr std::size_t bar_columns = 30;
constexpr std::chrono::milliseconds between_drawings{100};

std::string repeated(std::string_view piece, std::size_t n)
{
    std::string out;
    for (std::size_t i = 0; i < n; ++i) out += piece;
    return out;
}

}

std::string bar_line(std::string_view label, std::size_t done, std::size_t total, bool unicode)
{
    done = std::min(done, total);
    const double share = total == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(total);
    const auto filled = static_cast<std::size_t>(share * bar_columns);
    return fmt::format("{} [{}{}] {}/{} {:3}%", label, repeated(unicode ? "█" : "#", filled), repeated(unicode ? "░" : "-", bar_columns - filled), done,
                       total, static_cast<int>(share * 100));
}

progress_bar::progress_bar(std::ostream& err, const terminal_style& style, bool quiet, std::string label, std::size_t total)
    : err_(err), shown_(style.live && !quiet), unicode_(style.unicode), label_(std::move(label)), total_(total)
{
}

progress_bar::~progress_bar()
{
    if (drawn_) err_ << "\r\x1b[K" << std::flush;
}

void progress_bar::restate(std::string label, std::size_t total)
{
    label_ = std::move(label);
    total_ = total;
}

void progress_bar::advance_to(std::size_t done)
{
    if (!shown_) return;
    const auto now = std::chrono::steady_clock::now();
    if (drawn_ && done < total_ && now - last_ < between_drawings) return;
    last_ = now;
    drawn_ = true;
    err_ << '\r' << bar_line(label_, done, total_, unicode_) << "\x1b[K" << std::flush;
}

}
