//! What the year brings, in English: seasons, school, journeys, animals that talk; [`super::year_zh`] has the same plots in
//! Chinese.

use super::Plot;

pub(super) const YEAR_EN: [Plot; 12] = [
    // A new neighbour.
    &[
        &[
            "{b} moved into a house near the {p}.",
            "{y} a new neighbour came to the town, and {'b} name was {b}.",
            "{b} moved in next door to {a}.",
        ],
        &[
            "there was {+t} on the cart, and {+u} too.",
            "the boxes [were as high as a hill|stood everywhere].",
            "{~b} knew no one and felt a little {f}.",
        ],
        &[
            "{a} brought a lot of {d} and said, \"Welcome!\"",
            "{a} knocked and asked if help was needed.",
            "{a} called over the wall, \"[Have you eaten?|Say what you need!]\"",
        ],
        &[
            "together they put {b}'s {t} {@s}.",
            "{b} opened a box, and {+n} jumped out.",
            "the two were busy until dark.",
        ],
        &[
            "",
            "{b} said, \"I used to be {+j}.\"",
            "{b} asked the way to the {q}, and {a} [drew a map|took {!b} there].",
        ],
        &[
            "from that day on they were good friends.",
            "in the evening the lights of both houses [were on|burned for a long time].",
            "{b} felt {f}.",
        ],
    ],
    // A tree is planted.
    &[
        &[
            "in spring {a} planted {+o} tree {@p}.",
            "{a} put the seed of {+o} into the ground.",
            "{a} planted {+o} tree in front of the house.",
        ],
        &[
            "{~a} watered it every day.",
            "{b} said, \"[It will take years|It is too cold here|It will be higher than the house one day].\"",
            "the young tree was no higher than {'a} knee.",
        ],
        &[
            "in summer {+n} often [rested|slept] under the tree.",
            "one day {+n} bit off a branch, and {a} was {f}.",
            "on the day of the heavy rain {a} held the tree up with a stick.",
        ],
        &["", "a year went by, and another.", "slowly the tree grew."],
        &[
            "at last there was one {o} on the tree, the first.",
            "{y} {a} picked {+o} and gave {b} half of it.",
            "the {#o} were ripe, and {a} took a basket of them to {b}.",
        ],
        &[
            "\"[it was worth the wait|there will be more next year],\" said {a}.",
            "{a} felt {f}.",
            "later all the children came to play under the tree.",
        ],
    ],
    // Something is mended.
    &[
        &[
            "{a}'s {t} was broken.",
            "{y} {a} damaged {'a} {t}.",
            "{a} had used {'a} {t} for many years, and on {D} it broke.",
        ],
        &[
            "\"buy a new {t},\" said {b}.",
            "{~a} did not want to throw it away, for it came from [{'a} grandmother|{g}].",
            "{~a} tried to mend it, but that made it worse.",
        ],
        &[
            "{a} took the {t} to the {p}, where there was {+j}.",
            "{+j} looked at it, said no, and then said yes.",
            "{g} knew someone {@p} who could mend it.",
        ],
        &[
            "it would take [three days|an afternoon|some patience].",
            "\"leave it here and come back {z}.\"",
            "the broken part was now {c}.",
        ],
        &[
            "the {t} was in order again, [as good as new|better than before].",
            "{a} paid and gave {+o} too.",
            "{a} looked at it again and again and [smiled|could not say a word].",
        ],
        &[
            "from then on {a} [was more careful|mended things too].",
            "{a} [sang all the way home|told everyone].",
            "old things have their good sides.",
        ],
    ],
    // A journey by train.
    &[
        &[
            "{a} took the train to see {b}.",
            "{y} {a} went by train for the first time.",
            "the train started, and {a} waved to {g} from the window.",
        ],
        &[
            "outside [hills|a river|fields|small villages] went by.",
            "across from {!a} sat {+j}.",
            "the train was [slow|fast|shaking], and {~a} was {f}.",
        ],
        &[
            "someone gave {!a} some {d}.",
            "{~a} took out {d} and ate slowly.",
            "the dining car had only {d} and {e} left.",
        ],
        &[
            "suddenly the train stopped, for there was {+n} in front of it.",
            "the train stood at a small station for [ten minutes|a long time].",
            "in a tunnel there was nothing to see.",
        ],
        &[
            "{a} left {'a} {t} on the train and ran back for it.",
            "when the train arrived, {b} was already waiting.",
            "when {a} got off, [it was nearly dark|it was raining a little|the stars were out].",
        ],
        &[
            "\"how was the trip?\" asked {b}. \"[Good|Too long|I want to do it again],\" said {a}.",
            "{a} and {b} walked to the {p} together.",
            "later {a} often thought of that train.",
        ],
    ],
    // A play at school.
    &[
        &[
            "there was to be a play at school on {D}, and {a} was to be {+n}.",
            "{a} was to be {+j} in the play.",
            "the teacher asked who wanted to be the {n}, and {a} [was the first to say yes|looked down].",
        ],
        &[
            "{~a} had one line: \"[I am back!|It is day!|Who is there?]\"",
            "{b} was the {m} and had to [cry out all the time|sleep all through the play].",
            "{'a} mother made {+c} costume from old clothes.",
        ],
        &[
            "every day {a} practised in front of the wall.",
            "at practice everyone always laughed.",
            "{b} said, \"Do not be afraid. [Just look at me|A little louder].\"",
        ],
        &[
            "when the day came, the {p} was full of people.",
            "the lights went on, and {a}'s heart beat fast.",
            "{g} sat in the first row.",
        ],
        &[
            "{a} forgot the line, and {b} whispered it.",
            "{a} spoke [loud and clear|too fast], and everyone clapped.",
            "suddenly {+t} fell onto the stage, and everyone laughed.",
        ],
        &[
            "after the play {a} was {f}.",
            "\"you were just like the real thing!\" said {g}.",
            "on the way home {a} still wore the costume.",
        ],
    ],
    // Someone is ill.
    &[
        &[
            "{a} was ill and stayed in bed.",
            "{y} {a} had a fever.",
            "on {D} {a} did not come to work, and so everyone knew that {~a} was ill.",
        ],
        &[
            "the doctor said to [drink a lot of water|sleep for three days|speak little].",
            "{~a} did not want to eat anything.",
            "{'a} {n} stayed by the bed and would not leave.",
        ],
        &[
            "{b} came with some {d}.",
            "{b} brought {+o} and {+t}.",
            "{b} sat down and told {!a} what was new {@p}.",
        ],
        &[
            "",
            "\"[get well soon|everyone misses you|do not get up too early],\" said {b}.",
            "{g} sent a card with {+m} on it.",
        ],
        &[
            "the next day {a} could [sit up|eat some {d}|laugh] again.",
            "after some days {a}'s fever was gone.",
            "{a} slept for a long time and woke up [hungry|much better].",
        ],
        &[
            "when {a} was well again, {~a} first went to the {p}.",
            "{a} felt {f}.",
            "\"now it is my turn,\" said {a}, because {b} was ill too.",
        ],
    ],
    // Snow.
    &[
        &[
            "in the morning everything outside was white.",
            "it had snowed all night.",
            "on {D} it snowed, and {a} was so glad that {~a} forgot breakfast.",
        ],
        &[
            "{a} and {b} ran to the {p} and [made a snowman|threw snowballs].",
            "{a} put on {c} clothes and went to the {p}.",
            "there was no road to be seen, and {a} and {b} walked [slowly|one behind the other].",
        ],
        &[
            "by the road stood a snowman with {+t} on its head.",
            "there were the tracks of {+n} in the snow.",
            "{a}'s nose was [red|cold and red].",
        ],
        &[
            "{a} followed tracks in the snow to the {q} and saw {+n}.",
            "suddenly a snowball [hit {b}|fell on {a}'s head].",
            "{b} slipped and [laughed|sat in the snow and would not get up].",
        ],
        &[
            "back home {a} ate a lot of {d}.",
            "{a}'s hands were [as cold as ice|cold for a long time].",
            "the sun came out, and the snow [began to melt|was too bright to look at].",
        ],
        &[
            "the next day the snow was [gone|still deep].",
            "\"I wish it snowed every day,\" said {a}.",
            "that evening everyone was {f}.",
        ],
    ],
    // Two animals, one of which has something.
    &[
        &[
            "once {+n} and {+m} lived {@p}.",
            "once there was {+n} that was never {f}, and {'n} neighbour was {+m}.",
            "long ago {+n} and {+m} were neighbours.",
        ],
        &[
            "one day the {n} found {+o}.",
            "one day it was [cold|hot|dark early], and the {n} had only {+o} left.",
            "the {n} said, \"I have {+t}, and you do not.\"",
        ],
        &[
            "the {m} said, \"[Give me half|Let me see|Let us swap].\"",
            "the {m} came and [said nothing|had tears in its eyes].",
            "the {m} laughed and said, \"[So what|I do not mind].\"",
        ],
        &[
            "\"it is mine,\" said the {n}.",
            "the {n} hid it {@s}.",
            "the {n} thought [all night|for a long time].",
        ],
        &[
            "but alone there was no joy in it.",
            "suddenly it rained, and only the {m} had a fire at home.",
            "later the {n} fell into the water, and the {m} pulled it out.",
        ],
        &[
            "from then on they [shared everything|put everything together].",
            "\"I am sorry,\" said the {n}. \"Never mind,\" said the {m}.",
            "and so they say: [whoever shares has no less|with a friend no one is cold].",
        ],
    ],
    // A festival.
    &[
        &[
            "on the day of the Mid-Autumn Festival all of {a}'s family came home.",
            "it was New Year, and {a} came home.",
            "{D} was the Lantern Festival, and there were lights in every street.",
        ],
        &[
            "there was red paper on the door, and [it was warm inside|children ran about].",
            "{a} and {b} made {d} together.",
            "{b} brought {+t} and plenty to eat.",
        ],
        &[
            "on the table stood {d}, {e} and {+o}.",
            "grandmother said, \"First eat {d}, and [the year will be good|you will grow tall].\"",
            "while everyone ate, {+n} waited under the table.",
        ],
        &[
            "in the evening everyone looked at the [stars|fireworks|lights] {@p}.",
            "the children ran with {c} lanterns.",
            "{b} sang an old song, and {a} [sang along|listened].",
        ],
        &["", "{g} called and said that {~g} was {f}.", "there was a knock at the door, and it was {g}."],
        &[
            "no one wanted to go to bed.",
            "{a} made a wish and told [no one|only {b}].",
            "it was late, and the lights were still on.",
        ],
    ],
    // An honest finder.
    &[
        &[
            "{a} found {+t} {@p}.",
            "{y} {a} saw {+t} lying on the ground.",
            "on the way home from school {a} hit something with {'a} foot, and it was {+t}.",
        ],
        &[
            "there was no name on it.",
            "it was {c} and looked [new|expensive|much used].",
            "[there was nothing near it|{+n} sat beside it].",
        ],
        &[
            "{a} thought, \"[Someone must be looking for it|If only it were mine].\"",
            "{b} said, \"[Keep it, no one knows|Give it back].\"",
            "{a} stood there and waited for [half an hour|a long time].",
        ],
        &[
            "{a} gave it to {+j}.",
            "{a} put a note on the wall: \"Who has lost {+t}?\"",
            "{a} asked at every house.",
        ],
        &[
            "it turned out to be {g}'s.",
            "the next day {g} came and said, \"That is my {t}.\"",
            "in the end {g} came [running|with a red face].",
        ],
        &[
            "{g} offered money, but {a} did not take it.",
            "{g} was {f} and treated {a} to {d}.",
            "after that everyone knew {a}'s name.",
        ],
    ],
    // A borrowed book.
    &[
        &[
            "{a} borrowed a book from the library.",
            "{b} lent {a} a book.",
            "among the old books {a} found one with {+c} cover.",
        ],
        &[
            "it was about {+n} and {+j}.",
            "there was {+n} on the first page.",
            "it was thick, the letters were small, and it was about {+n}.",
        ],
        &[
            "{a} read it while eating {d}.",
            "{a} sat {@p} with it and forgot to go home.",
            "{a} read until midnight, when [the light was low|{'a} eyes were red].",
        ],
        &[
            "at the end the {n} [came home|turned to stone|found a friend].",
            "but the last page was missing.",
            "there was a word that {~a} did not know, so {~a} asked {g}.",
        ],
        &[
            "\"how does it end?\" asked {l}. {a} [would not say|only smiled].",
            "{a} wrote a new end for the book.",
            "{a} took the book back and got another.",
        ],
        &[
            "from then on {a} wanted to be {+j}.",
            "{a} was {f}, as if [all of it were true|the people in the book were friends].",
            "a good book has no end.",
        ],
    ],
    // A picture.
    &[
        &[
            "{a} wanted to paint a picture for {b}.",
            "on {D} {a} took the paints to the {p}.",
            "everyone was to paint the colour they liked, and {a} painted {c}.",
        ],
        &[
            "first {~a} painted the {p}, then {+n}.",
            "{~a} used a lot of {c}, because {c} feels {v}.",
            "there was {+t} in the picture and nothing else.",
        ],
        &[
            "{b} looked at the picture and said, \"[What is that?|How beautiful!|Is it upside down?]\"",
            "the wind came, and [the paper flew up|the paint was spilled].",
            "halfway there was no {c} left, so {a} took {k}.",
        ],
        &[
            "{a} said nothing and [went on|put in a little {k}].",
            "{a} hung the picture on the wall and stepped back to look.",
            "{a} smiled: \"That is how I see it.\"",
        ],
        &[
            "later {g} bought the picture.",
            "later the picture hung {@q}.",
            "{b} put the picture {@s} and looked at it every day.",
        ],
        &[
            "{a} felt {f}.",
            "\"next time I will paint {+m},\" said {a}.",
            "many years later the picture still looked new.",
        ],
    ],
];
