#include "runtime/handlers/program.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <optional>
#include <unistd.h>

namespace rowlock::runtime {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view usual_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

bool is_executable(const fs::path& file)
{
    std::error_code ec;
    return fs::is_regular_file(file, ec) && ::access(file.c_str(), X_OK) == 0;
}

std::optional<fs::path> on_path(const std::string& name, std::string_view path)
{
    while (!path.empty()) {
        const auto colon = path.find(':');
        const fs::path directory(path.substr(0, colon));
        path.remove_prefix(colon == std::string_view::npos ? path.size() : colon + 1);
        // An empty or relative entry would mean "wherever the server was started": no.
        if (directory.is_absolute() && is_executable(directory / name)) return directory / name;
    }
    return std::nullopt;
}

std::optional<fs::path> candidate(const std::string& word, const fs::path& directory, std::string_view path)
{
    if (word.find('/') == std::string::npos) return on_path(word, path);
    const fs::path file = fs::path(word).is_absolute() ? fs::path(word) : directory / word;
    return file.lexically_normal();
}

// The entry's file, if `file` is that program.
std::optional<fs::path> matched(const fs::path& file, const std::string& entry, std::string_view path)
{
    const auto allowed = candidate(entry, "/", path);
    if (!allowed || allowed->filename() != file.filename()) return std::nullopt;
    std::error_code ec;
    const auto a = fs::canonical(*allowed, ec);
    if (ec) return std::nullopt;
    const auto b = fs::canonical(file, ec);
    if (ec || a != b) return std::nullopt;
    return allowed;
}

}

std::string search_path()
{
    const char* path = std::getenv("PATH");
    return path != nullptr && *path != '\0' ? std::string(path) : std::string(usual_path);
}

attempted<fs::path> find_program(const std::string& word, const fs::path& directory, std::string_view path, const process_options& options)
{
    if (!options.enabled) return permission_denied("process jobs are off on this server; its operator turns them on with PROCESS_HANDLER_ENABLED");
    if (word.empty()) return invalid_config("the command's first word, the program, is empty");

    const auto& list = options.allowed_programs;
    const bool any = std::find(list.begin(), list.end(), "*") != list.end();
    // A relative word is never on the list: what it stands for is up to the definition.
    const bool relative = word.front() != '/' && word.find('/') != std::string::npos;
    const bool listed = any || (!relative && std::find(list.begin(), list.end(), word) != list.end());
    auto file = candidate(word, directory, path);
    if (file && !any) {
        std::optional<fs::path> found;
        for (const auto& entry : list) {
            if ((found = matched(*file, entry, path))) break;
        }
        if (found || !listed) file = found;
    }
    if (!file && !listed) return permission_denied(fmt::format("the program {} is not among those that PROCESS_ALLOWED_PROGRAMS lets run", word));
    if (!file) return invalid_config(fmt::format("the program {} is not found on the server's PATH ({})", word, path));

    std::error_code ec;
    if (!fs::exists(*file, ec)) return invalid_config(fmt::format("the program {} does not exist", file->string()));
    if (!is_executable(*file)) return invalid_config(fmt::format("the program {} is not an executable file", file->string()));
    return *file;
}

}
