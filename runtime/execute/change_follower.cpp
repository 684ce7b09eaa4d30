#include "runtime/execute/change_follower.hpp"

#include <boost/asio/post.hpp>

namespace rowlock::runtime {

awaitable<std::vector<change>> change_follower::take()
{
    co_await mail_has_come_.wait();
    const std::lock_guard lock(mutex_);
    mail_bytes_ = 0;
    co_return std::exchange(mail_, {});
}

void change_follower::wake(const std::shared_ptr<change_follower>& self)
{
    boost::asio::post(self->home_.executor(), [self] { self->mail_has_come_.ring(); });
}

bool change_follower::put(change one)
{
    const std::lock_guard lock(mutex_);
    if (cut_off_.load()) return false;
    mail_bytes_ += sizeof one + one.log.size() + (one.execution ? one.execution->size() : 0) + (one.plan_run ? one.plan_run->size() : 0);
    if (mail_bytes_ > most_mail) {
        cut_off_.store(true);
        std::vector<change>().swap(mail_);
        return false;
    }
    mail_.push_back(std::move(one));
    return true;
}

}
