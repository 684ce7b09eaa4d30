#include "runtime/schedule/zone_database.hpp"

#include "storage/model/nearest_name.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <optional>
#include <sys/stat.h>

namespace rowlock::runtime {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t largest_file = 1 << 20;       // the largest of the tz database have a few thousand bytes

std::string folder_of_system()
{
    const char* named = std::getenv("TZDIR");
    return named && *named ? named : "/usr/share/zoneinfo";
}

// Names are paths below the folder, and must not leave it. right/ counts leap seconds, posix/ is the same again, and the others say what this
// machine has chosen, which is not the same on all instances.
bool may_name_zone(std::string_view name)
{
    constexpr std::array<std::string_view, 4> others{"localtime", "posixrules", "right", "posix"};
    constexpr std::size_t longest = 128;
    const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '+' || c == '/'; };
    if (name.empty() || name.size() > longest || !std::all_of(name.begin(), name.end(), fits)) return false;
    if (name.front() == '/' || name.back() == '/' || name.find("//") != std::string_view::npos) return false;
    return std::find(others.begin(), others.end(), name.substr(0, name.find('/'))) == others.end();
}

std::string read_file(const std::string& path)
{
    std::string content;
    std::ifstream file(path, std::ios::binary);
    content.resize(largest_file);
    file.read(content.data(), static_cast<std::streamsize>(content.size()));
    content.resize(static_cast<std::size_t>(file.gcount()));
    return content;
}

std::string lowered(std::string_view name)
{
    std::string low(name);
    for (char& c : low) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c == ' ' ? '_' : c;
    return low;
}

// europe/berlin and Berlin are meant for Europe/Berlin, though they are many letters away from it.
std::optional<std::string> meant_by(std::string_view given, const std::vector<std::string>& names)
{
    const std::string low = lowered(given);
    for (const auto& name : names) {
        if (lowered(name) == low) return name;
    }
    for (const auto& name : names) {
        const std::string each = lowered(name);
        if (const auto slash = each.rfind('/'); slash != std::string::npos && each.substr(slash + 1) == low) return name;
    }
    return nearest_name(given, names);
}

}

zone_database::zone_database(std::string folder)
    : folder_(folder.empty() ? folder_of_system() : std::move(folder)), utc_(std::make_shared<const zone>())
{
}

result<zone_ptr> zone_database::find(std::string_view name)
{
    if (name == "UTC") return utc_;
    if (!may_name_zone(name)) return unknown(name);
    const std::string path = fmt::format("{}/{}", folder_, name);
    struct stat state {};
    if (::stat(path.c_str(), &state) != 0 || !S_ISREG(state.st_mode)) return unknown(name);
    const file_mark mark{state.st_size, state.st_mtim.tv_sec, state.st_mtim.tv_nsec, state.st_ino};
    const std::lock_guard lock(mutex_);
    const auto known = zones_.find(name);
    if (known != zones_.end() && known->second.mark == mark) return known->second.clocks;
    auto parsed = zone::parse(read_file(path));
    if (!parsed) return error{errc::invalid_timezone, fmt::format("names {}, which cannot be used: {}", path, parsed.error().detail), {}, {}};
    auto clocks = std::make_shared<const zone>(std::move(*parsed));
    zones_.insert_or_assign(std::string(name), known_zone{clocks, mark});
    return clocks;
}

const std::vector<std::string>& zone_database::names()
{
    const std::lock_guard lock(mutex_);
    if (walked_) return names_;
    walked_ = true;
    names_.emplace_back("UTC");
    std::error_code ec;
    for (fs::recursive_directory_iterator each(folder_, ec), end; !ec && each != end; each.increment(ec)) {
        const std::string name = each->path().lexically_relative(folder_).string();
        if (name == "UTC" || !may_name_zone(name) || !each->is_regular_file(ec)) continue;
        std::array<char, 4> magic{};
        std::ifstream(each->path(), std::ios::binary).read(magic.data(), magic.size());
        if (std::string_view(magic.data(), magic.size()) == "TZif") names_.push_back(name);
    }
    std::sort(names_.begin(), names_.end());
    return names_;
}

error zone_database::unknown(std::string_view name)
{
    const auto& all = names();
    std::string why = "names no time zone; use a name of the IANA database, like Europe/Berlin";
    if (all.size() <= 1) {
        why = fmt::format("cannot be looked up: there is no time zone data in {}; install the package tzdata, or use UTC", folder_);
    } else if (const auto meant = meant_by(name, all)) {
        why = fmt::format("names no time zone; the nearest is {}", *meant);
    }
    return {errc::invalid_timezone, std::move(why), {}, {}};
}

}
