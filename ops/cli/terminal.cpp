#include "ops/cli/terminal.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <sys/ioctl.h>
#include <unistd.h>

namespace rowlock::ops {

namespace {

constexpr int widest = 100;
constexpr int usual_columns = 80;

std::optional<std::string> variable(const char* name)
{
    const char* value = std::getenv(name);
    if (!value) return std::nullopt;
    return std::string{value};
}

bool names_utf8(std::string charset)
{
    std::transform(charset.begin(), charset.end(), charset.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return charset.find("utf-8") != std::string::npos || charset.find("utf8") != std::string::npos;
}

}

surroundings read_surroundings()
{
    surroundings around;
    around.out_is_terminal = ::isatty(STDOUT_FILENO) == 1;
    around.err_is_terminal = ::isatty(STDERR_FILENO) == 1;
    winsize size{};
    if (around.out_is_terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) around.columns = size.ws_col;
    around.no_color = variable("NO_COLOR");
    around.term = variable("TERM");
    around.ci = variable("CI");
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        around.charset = variable(name);
        if (around.charset && !around.charset->empty()) break;
    }
    return around;
}

terminal_style decide_style(const surroundings& around, bool no_color_flag)
{
    const bool dumb = around.term && *around.term == "dumb";
    const bool ci = around.ci && !around.ci->empty() && *around.ci != "false" && *around.ci != "0";
    const bool no_color = no_color_flag || (around.no_color && !around.no_color->empty());
    const bool plain = no_color || dumb || ci;

    terminal_style style;
    style.out_colour = around.out_is_terminal && !plain;
    style.err_colour = around.err_is_terminal && !plain;
    style.live = around.err_is_terminal && !dumb && !ci;
    style.unicode = !plain && around.charset && names_utf8(*around.charset);
    if (around.out_is_terminal) style.width = std::min(widest, around.columns > 0 ? around.columns : usual_columns);
    return style;
}

}
