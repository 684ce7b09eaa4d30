#include "ops/postgres/programs.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <optional>
#include <string_view>
#include <unistd.h>

namespace rowlock::ops {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

std::vector<fs::path> folders_of_path()
{
    std::vector<fs::path> folders;
    const char* text = std::getenv("PATH");
    std::string_view left = text ? text : "/usr/local/bin:/usr/bin:/bin";
    while (!left.empty()) {
        const auto end = std::min(left.find(':'), left.size());
        if (end > 0) folders.emplace_back(left.substr(0, end));
        left.remove_prefix(std::min(end + 1, left.size()));
    }
    return folders;
}

bool can_run(const fs::path& program)
{
    return ::access(program.c_str(), X_OK) == 0;
}

// What a program prints on success, without the end of the line.
std::optional<std::string> first_line_of(spawner& made_by, std::vector<std::string> command)
{
    auto ran = run_program(made_by, {.command = std::move(command), .environment = postgres_environment()}, 10s);
    if (!ran || !ran->succeeded()) return std::nullopt;
    return ran->output.substr(0, ran->output.find('\n'));
}

std::vector<fs::path> candidates(spawner& made_by)
{
    if (const char* chosen = std::getenv("PG_BIN"); chosen && *chosen) return {fs::path(chosen)};
    std::vector<fs::path> folders;
    const auto on_path = folders_of_path();
    for (const auto& folder : on_path) {
        if (!can_run(folder / "pg_config")) continue;
        if (auto named = first_line_of(made_by, {(folder / "pg_config").string(), "--bindir"})) folders.emplace_back(*named);
        break;
    }
    for (int major = newest_postgres; major >= oldest_postgres; --major) folders.emplace_back(fmt::format("/usr/lib/postgresql/{}/bin", major));
    folders.insert(folders.end(), on_path.begin(), on_path.end());
    return folders;
}

// From "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)"; 0 where the program is odd.
int major_of(spawner& made_by, const fs::path& postgres)
{
    constexpr std::string_view before = "(PostgreSQL) ";
    const auto line = first_line_of(made_by, {postgres.string(), "--version"});
    const auto at = line ? line->find(before) : std::string::npos;
    int major = 0;
    if (at != std::string::npos) std::from_chars(line->data() + at + before.size(), line->data() + line->size(), major);
    return major;
}

}

std::vector<std::string> postgres_environment()
{
    std::vector<std::string> out{"LC_ALL=C.UTF-8", "TZ=UTC"};
    for (const char* name : {"PATH", "LD_LIBRARY_PATH", "TMPDIR"})
        if (const char* value = std::getenv(name)) out.push_back(fmt::format("{}={}", name, value));
    return out;
}

result<postgres_programs> find_postgres_programs(spawner& made_by, int major)
{
    std::vector<std::string> found;
    std::vector<std::string> looked;
    for (const auto& folder : candidates(made_by)) {
        looked.push_back(folder.string());
        if (!can_run(folder / "initdb") || !can_run(folder / "postgres")) continue;
        const int here = major_of(made_by, folder / "postgres");
        if (major != 0 ? here == major : here >= oldest_postgres && here <= newest_postgres) return postgres_programs{folder, here};
        found.push_back(fmt::format("{} in {}", here, folder.string()));
    }
    const std::string wanted = major != 0 ? std::to_string(major) : fmt::format("{} to {}", oldest_postgres, newest_postgres);
    return error{errc::invalid_request,
                 fmt::format("The programs initdb and postgres of PostgreSQL {} were not found ({}). Run ops/setup or install Debian's package "
                             "postgresql-{}, or name their folder in the environment variable PG_BIN.",
                             wanted, found.empty() ? fmt::format("looked in {}", fmt::join(looked, ", ")) : fmt::format("found: {}", fmt::join(found, ", ")),
                             major != 0 ? major : oldest_postgres)};
}

}
