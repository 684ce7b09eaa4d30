#include "runtime/handlers/run_directory.hpp"

#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <memory>
#include <openssl/evp.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <vector>

namespace rowlock::runtime {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t piece_bytes = 256u << 10;      // hashed between two looks at the core's other work
constexpr std::size_t removed_at_once = 128;
constexpr std::chrono::seconds abandoned_after{60};  // younger ones may be on their way to being locked
constexpr const char* attempts_folder = ".attempts";

failure exhausted(std::string_view what, const fs::path& path, std::error_code ec)
{
    return {"RESOURCE_EXHAUSTED", fmt::format("{} {}: {}", what, path.string(), ec.message())};
}

std::error_code last_error()
{
    return {errno, std::generic_category()};
}

attempted<void> make_directory(const fs::path& path)
{
    if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
    return exhausted("cannot make the directory", path, last_error());
}

attempted<void> make_directories(const fs::path& path)
{
    std::error_code ec;
    fs::create_directories(path, ec);
    if (ec) return exhausted("cannot make the directory", path, ec);
    return {};
}

// Lets the core do other work before it goes on here.
awaitable<void> give_way()
{
    co_await boost::asio::post(use_awaitable);
}

struct free_digest {
    void operator()(EVP_MD_CTX* c) const { EVP_MD_CTX_free(c); }
};
using digest = std::unique_ptr<EVP_MD_CTX, free_digest>;

std::string hex(const unsigned char* bytes, std::size_t n)
{
    std::string out;
    for (std::size_t i = 0; i < n; ++i) out += fmt::format("{:02x}", bytes[i]);
    return out;
}

// The kernel keeps to the directory on the way: no "..", no symbolic link, no mount's magic leads out of it, whoever renames what meanwhile.
file_descriptor open_below(const fs::path& directory, const fs::path& name)
{
    const file_descriptor at(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!at) return {};
    open_how how{};
    how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;   // a FIFO must not hold us
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    return file_descriptor(static_cast<int>(::syscall(SYS_openat2, at.get(), name.c_str(), &how, sizeof how)));
}

}

attempted<fs::path> make_run_directory(const fs::path& root, const execution_id& run)
{
    if (auto made = make_directories(root); !made) return made.error();
    const auto path = fs::absolute(root) / run.str();
    if (auto made = make_directory(path); !made) return made.error();
    return path;
}

awaitable<attempted<attempt_directory>> make_attempt_directory(fs::path root, execution_id id)
{
    const auto parent = fs::absolute(root) / attempts_folder;
    if (auto made = make_directories(root); !made) co_return made.error();
    if (auto made = make_directory(parent); !made) co_return made.error();

    attempt_directory d{.path = parent / id.str(), .lock = {}};
    std::error_code ec;
    if (fs::exists(d.path, ec)) co_await remove_tree(d.path);
    if (auto made = make_directory(d.path); !made) co_return made.error();
    d.lock = file_descriptor(::open(d.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!d.lock || ::flock(d.lock.get(), LOCK_EX | LOCK_NB) != 0) co_return exhausted("cannot lock the directory", d.path, last_error());
    if (auto made = make_directory(d.work()); !made) co_return made.error();
    co_return d;
}

attempted<void> write_file(const fs::path& file, std::string_view contents)
{
    const file_descriptor fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd) return exhausted("cannot make the file", file, last_error());
    while (!contents.empty()) {
        const auto n = ::write(fd.get(), contents.data(), contents.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return exhausted("cannot write", file, last_error());
        contents.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

awaitable<void> remove_tree(fs::path root)
{
    std::error_code ec;
    std::vector<fs::path> to_visit{root};
    std::vector<fs::path> emptied;
    std::size_t removed = 0;
    while (!to_visit.empty()) {
        const auto directory = std::move(to_visit.back());
        to_visit.pop_back();
        emptied.push_back(directory);
        // A job may have locked itself out of its own folders.
        fs::permissions(directory, fs::perms::owner_all, fs::perm_options::add, ec);
        auto entry = fs::directory_iterator(directory, ec);
        while (!ec && entry != fs::directory_iterator()) {
            std::error_code no_matter;
            if (entry->is_directory(no_matter) && !entry->is_symlink(no_matter)) to_visit.push_back(entry->path());
            else fs::remove(entry->path(), no_matter);
            if (++removed % removed_at_once == 0) co_await give_way();
            entry.increment(ec);
        }
    }
    while (!emptied.empty()) {
        fs::remove(emptied.back(), ec);
        emptied.pop_back();
        if (++removed % removed_at_once == 0) co_await give_way();
    }
    // The root was the last; its error tells whether anything is left.
    if (ec) spdlog::warn("the directory {} could not be removed: {}", root.string(), ec.message());
}

awaitable<void> remove_abandoned(fs::path root)
{
    std::error_code ec;
    std::vector<fs::path> abandoned;
    for (auto entry = fs::directory_iterator(root / attempts_folder, ec); !ec && entry != fs::directory_iterator(); entry.increment(ec)) {
        std::error_code no_matter;
        const auto changed = fs::last_write_time(entry->path(), no_matter);
        if (!no_matter && fs::file_time_type::clock::now() - changed > abandoned_after) abandoned.push_back(entry->path());
    }
    for (const auto& path : abandoned) {
        const file_descriptor lock(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (lock && ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) co_await remove_tree(path);
    }
}

awaitable<attempted<artifact>> seal_artifact(fs::path run_directory, std::string name)
{
    const auto path = fs::path(name).lexically_normal();
    const file_descriptor file = open_below(run_directory, path);
    if (!file) co_return invalid_config(fmt::format("the artifact {} cannot be opened below ROWLOCK_RUN_DIR: {}", name, last_error().message()));
    struct stat about {};
    if (::fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode)) co_return invalid_config(fmt::format("the artifact {} is not a regular file", name));
    // Another name may lie outside of the directory, and the file is about to be changed.
    if (about.st_nlink != 1) co_return invalid_config(fmt::format("the artifact {} has a second name (a hard link)", name));
    if (::fchmod(file.get(), about.st_mode & 0555) != 0) co_return invalid_config(fmt::format("the artifact {} cannot be made read-only: {}", name, last_error().message()));

    const digest sha(EVP_MD_CTX_new());
    EVP_DigestInit_ex(sha.get(), EVP_sha256(), nullptr);
    artifact sealed{.name = path.string()};
    std::vector<char> piece(piece_bytes);
    for (;;) {
        const auto n = ::read(file.get(), piece.data(), piece.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) co_return invalid_config(fmt::format("the artifact {} cannot be read: {}", name, last_error().message()));
        if (n == 0) break;
        EVP_DigestUpdate(sha.get(), piece.data(), static_cast<std::size_t>(n));
        sealed.size_bytes += n;
        co_await give_way();
    }
    // Read-only as it is now, who had it open for writing may go on.
    struct stat after {};
    const bool same = ::fstat(file.get(), &after) == 0 && after.st_size == about.st_size && after.st_mtim.tv_sec == about.st_mtim.tv_sec &&
                      after.st_mtim.tv_nsec == about.st_mtim.tv_nsec && sealed.size_bytes == about.st_size;
    if (!same) co_return invalid_config(fmt::format("the artifact {} was written to while it was hashed; close it before it is declared", name));
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned int size = 0;
    EVP_DigestFinal_ex(sha.get(), bytes.data(), &size);
    sealed.sha256 = hex(bytes.data(), size);
    co_return sealed;
}

}
