#include "ops/cli/yaml_files.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>

namespace rowlock::ops {

namespace fs = std::filesystem;

namespace {

bool is_hidden(const fs::path& path)
{
    return path.filename().native().starts_with('.');
}

}

outcome_of<std::vector<std::string>> yaml_files_of(const std::string& argument)
{
    std::error_code ec;
    if (argument == "-" || !fs::is_directory(argument, ec)) return std::vector<std::string>{argument};
    std::vector<std::string> files;
    // Links to directories are not followed, so there is an end.
    for (fs::recursive_directory_iterator at(argument, ec), end; !ec && at != end; at.increment(ec)) {
        if (is_hidden(at->path())) {
            at.disable_recursion_pending();
            continue;
        }
        const auto suffix = at->path().extension();
        if ((suffix == ".yaml" || suffix == ".yml") && !at->is_directory(ec)) files.push_back(at->path().string());
    }
    if (ec) return bad_input(fmt::format("{}: cannot be read: {}", argument, ec.message()));
    if (files.empty()) return bad_input(fmt::format("{}: there is no .yaml or .yml file in it", argument));
    std::sort(files.begin(), files.end());
    return files;
}

}
