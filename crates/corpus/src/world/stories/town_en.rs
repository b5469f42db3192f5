//! What happens between the people of the town, in English; [`super::town_zh`] has the same plots in Chinese.

use super::Plot;

pub(super) const TOWN_EN: [Plot; 14] = [
    // A day out.
    &[
        &[
            "{y} {a} went to the {p}.",
            "on {D} morning {a} set out for the {p}.",
            "the sun was just up when {a} walked to the {p}.",
        ],
        &[
            "",
            "it was {+w}, and [few people were about|the streets were quiet|the wind smelled of flowers].",
            "{~a} had {+t} along and walked [slowly|fast|without hurry].",
        ],
        &[
            "there {~a} [met|saw] {b}.",
            "{b} was there too, [eating {d}|talking to someone|looking into the distance].",
            "who would have thought that {b} had come too?",
        ],
        &[
            "\"you are here too!\" said {b}.",
            "{b} smiled and said, \"[Sit down and rest|What a good day|It has been a long time].\"",
            "they talked about [last year|the weather|their work] for a long time.",
        ],
        &[
            "",
            "later they ate {e} together.",
            "{a} treated {b} to {e}, and {b} [smiled|said it was good|ate two bowls].",
        ],
        &[
            "when {a} went home, {~a} felt {f}.",
            "it was dark when they [walked home|waved goodbye].",
            "that night {a} [slept well|kept thinking of it].",
        ],
    ],
    // Lost and found.
    &[
        &["{a}'s {t} was gone.", "{y} {a} lost {'a} {t}.", "{a} could not find {'a} {t} anywhere."],
        &[
            "{~a} looked all over the {p} and [found nothing|did not find it].",
            "first {~a} looked {@p}, then {@q}.",
            "\"who has seen my {t}?\" {~a} asked.",
        ],
        &[
            "",
            "{b} said, \"[Do not worry, I will help you|Let us look together|Think again].\"",
            "{b} heard of it and came to help.",
        ],
        &[
            "in the end the {t} was {@s}.",
            "and there it was, {@s}!",
            "{b} [looked down|bent down], and there was the {t}, {@s}.",
        ],
        &[
            "",
            "{+n} was [sleeping|sitting|lying] beside it.",
            "{+n} was [looking at|guarding] it as if it were its own.",
        ],
        &[
            "{a} did not know whether to laugh or to cry.",
            "{a} jumped for joy.",
            "\"thank you!\" said {a}. {b} only [waved|smiled].",
            "from then on {a} always kept the {t} [close|in a safe place].",
        ],
    ],
    // A guest for dinner.
    &[
        &[
            "{b} was coming, and {a} wanted to cook {d}.",
            "on {D} {a} asked {b} to dinner.",
            "{a} had always known how to cook {d}, and today it was for {b}.",
        ],
        &[
            "early in the morning {~a} went to the {p} to buy food.",
            "{~a} washed and boiled and stirred [all morning|and was not tired at all].",
            "the kitchen was [full of steam|full of good smells].",
        ],
        &[
            "",
            "by mistake there was too much salt in it.",
            "there was no salt in the house, so {~a} had to ask {g} for some.",
        ],
        &[
            "{b} took a bite and said, \"[How good|Better than in a restaurant|This is the best meal of my life]!\"",
            "{b} had brought {e}, and the two ate happily.",
            "the {d} came to the table, and {b} [could not stop eating|first had some soup].",
        ],
        &[
            "after dinner they [washed the dishes|drank tea and talked|looked at the moon].",
            "\"next time I will cook {e},\" said {b}.",
            "{a} felt {f}.",
        ],
    ],
    // An animal on a spot.
    &[
        &[
            "the {n} sat {@s}.",
            "the {n} was asleep {@s}.",
            "there was {+n} {@s}.",
            "early in the morning the {n} was already {@s}.",
        ],
        &[
            "it [looked out of the window|listened to the rain|lay in the sun|did not move].",
            "the sun fell on it, nice and warm.",
            "its shadow was long.",
        ],
        &[
            "{+m} came along and [wanted to sit there too|looked at it|asked who it was waiting for].",
            "{a} came up softly, so as not to wake it.",
            "suddenly there was a noise outside.",
        ],
        &[
            "the {n} [moved one ear|opened one eye|yawned] and stayed.",
            "the {n} jumped up at once.",
            "the {n} slowly stood up and made room.",
        ],
        &[
            "in the end they [both fell asleep|became friends|watched the evening come].",
            "the afternoon was [very quiet|long and slow].",
            "from then on it was the place of the {n}.",
        ],
    ],
    // A present.
    &[
        &[
            "{D} was {b}'s birthday, and {a} wanted to give {!b} something.",
            "{b}'s birthday was near, and {a} did not know what to give.",
        ],
        &["{a} remembered that {b} liked {c}.", "{a} asked {g}, and {g} said, \"{b} likes {c}.\""],
        &[
            "so {@p} {~a} bought {+c} {t}.",
            "{~a} walked into the {p} and at once saw {+c} {t}.",
            "it took {!a} [three days|an afternoon] to make {+c} {t}.",
        ],
        &[
            "",
            "{~a} wrapped it in white paper and [wrote the name on it|tied a ribbon around it].",
            "on the way it began to rain, and {~a} held it under the coat.",
        ],
        &[
            "{b} opened it and [smiled|could not say a word|had shining eyes].",
            "\"{+c} {t}! I love it!\" said {b}.",
            "\"{c} feels {v}. I like it,\" said {b}.",
            "when {b} got it, {~b} felt {f}.",
        ],
        &["", "from that day on {b} carried it everywhere.", "it was the present that {b} liked best."],
    ],
    // Someone at work.
    &[
        &[
            "{a} is {+j} and works {@p}.",
            "{a} has been {+j} for ten years.",
            "the {j} of the town is called {a}.",
        ],
        &[
            "{~a} [gets up before the sun|starts early|works until late] every day.",
            "everyone says that {~a} [has clever hands|is kind|is never lazy].",
            "there is always {+t} in {'a} room.",
        ],
        &[
            "{y} {b} came to ask for help.",
            "one day {b} came running.",
            "{y} there was a visitor, and it was {b}.",
        ],
        &[
            "\"my {u} is broken. What shall I do?\" asked {b}.",
            "{b} said, \"I want to learn what you can do.\"",
            "{b} said nothing and put down {+u}.",
        ],
        &[
            "{a} [thought|looked] for a while and said, \"[Come back tomorrow|No problem|Leave it to me].\"",
            "{a} put the work down and [listened with care|began at once].",
        ],
        &[
            "later {b} wanted to be {+j} too.",
            "when {b} left, {~b} was {f}.",
            "the sun went down, and {a} was still [working|busy under the lamp].",
        ],
    ],
    // Rain.
    &[
        &[
            "it rained, and {a} had no umbrella.",
            "{y} there was heavy rain.",
            "it rained from morning to night, and {a} was kept {@p}.",
        ],
        &[
            "{~a} stood at the door of the {p} and watched the rain.",
            "everyone in the street began to run.",
            "the rain fell on the roof [like a drum|like little bells].",
        ],
        &[
            "{b} came by with {+c} umbrella.",
            "then {b} came and said, \"Let us walk together.\"",
            "{+n} came under the roof too, [wet all over|and looked at {!a}].",
        ],
        &[
            "they [walked slowly|talked and laughed], and no one was in a hurry.",
            "they had hot tea {@q}.",
            "they waited for the rain to stop and [talked of old times|counted the puddles].",
        ],
        &[
            "the rain stopped, and there was a rainbow.",
            "at home all the clothes were wet, but {a} was {f}.",
            "from then on {a} [liked rainy days|always took a second umbrella].",
        ],
    ],
    // A quarrel made up.
    &[
        &[
            "{a} and {b} had a quarrel.",
            "{b} is {a}'s {R}, but {y} they had a quarrel.",
            "because of {+t}, {a} and {b} did not talk any more.",
        ],
        &[
            "{a} said that the {t} was {'a} own, and {b} said the same.",
            "{a} wanted to go to the {p}, {b} wanted to go to the {q}, and no one gave way.",
            "it was really a small thing.",
        ],
        &[
            "{a} sat alone {@p} and felt {f}.",
            "the next day they met and said nothing.",
            "{g} heard of it and shook {'g} head.",
        ],
        &[
            "{g} said, \"[A friend is worth more than things|It is not hard to say sorry|All good friends quarrel].\"",
            "in the evening {a} thought for a long time.",
            "{b} found a letter from {a}. There was one word in it: sorry.",
        ],
        &[
            "the next day {a} took some {d} and went to see {b}.",
            "{b} spoke first: \"Let us eat {d} together.\"",
            "{a} stood at the door for a while and knocked.",
        ],
        &[
            "they both laughed.",
            "they were good friends again.",
            "later no one knew why they had quarrelled.",
        ],
    ],
    // The zoo, the farm, the stone lion.
    &[
        &[
            "{y} the teacher took everyone to the {p}.",
            "{a} and {b} went to the {p} for the first time.",
            "on {D} the children went to the {p}.",
        ],
        &[
            "{a} wanted to see the {n}, and {b} wanted to see the {m}.",
            "there they saw the {n} and the {m}.",
            "a stone lion stood at the gate, and the lion's head was [big and round|shiny from many hands].",
        ],
        &[
            "the {n} was [eating|sleeping|drinking|lying in the sun] and was not afraid at all.",
            "{b} pointed at the {n} and said, \"Look, it is looking at us.\"",
            "{a} drew the head of the stone lion.",
        ],
        &[
            "the {m} was so [fast|slow] that everyone laughed.",
            "{a} asked, \"Where does the {m} sleep at night?\" No one knew.",
            "suddenly the {m} cried out, and {a} was frightened.",
        ],
        &["at noon they ate {d}.", "lunch was {d} and {e}.", "{b} shared the {d} with {a}."],
        &[
            "on the way back {a} [fell asleep|was still talking about the {n}].",
            "that day everyone was {f}.",
            "\"let us come again next year,\" said {b}.",
        ],
    ],
    // A letter.
    &[
        &[
            "{a} got a letter.",
            "{y} the postman brought {a} a letter.",
            "the envelope was {c}, and {a}'s name was on it.",
        ],
        &[
            "it was from {b}.",
            "{~a} opened it and saw that it was from {b}.",
            "it came from {'a} old friend {b}.",
        ],
        &[
            "it said, \"I am {+j} now.\"",
            "{b} wrote that {~b} kept {+n}.",
            "{b} wrote, \"Every day is {+w} here, and I often think of you.\"",
            "it was short: {b} was coming.",
        ],
        &[
            "{a} read it three times and [smiled|had tears in {'a} eyes].",
            "{a} [read it to {g}|put it under the pillow].",
            "{a} took a pen and wrote back at once.",
        ],
        &[
            "\"{z} I will come and see you,\" {~a} wrote.",
            "{~a} put in a picture of the {p}.",
            "{~a} wrote a lot, about {d}, about the {p}, about the weather.",
        ],
        &[
            "the letter was sent, and {a} felt {f}.",
            "the moon was round that night.",
            "ten days later an answer came.",
        ],
    ],
    // A market day told in dialogue.
    &[
        &[
            "{@p} {a} asked {b}, \"How much is this {t}?\"",
            "{b} was selling things {@p} when {a} came by.",
            "{D} was market day, and {b} had put up the stall early.",
        ],
        &[
            "\"ten coins,\" said {b}.",
            "\"look, it is {c}. That is rare,\" said {b}.",
            "\"it is {c}, and {c} is so {v}!\" said {b}.",
            "\"I made this {t} myself,\" said {b}.",
        ],
        &[
            "\"too much. Let us say eight.\"",
            "\"do you have {+k} one?\"",
            "{a} looked at it again and again and could not put it down.",
        ],
        &[
            "{b} [smiled|thought] and said, \"All right, [it is yours|and {+o} for you too].\"",
            "\"I will take this {t},\" said {a}.",
            "{a} felt in {'a} pocket, but the money was not enough.",
        ],
        &[
            "{a} took the {t} and [went home happily|looked at it all the way].",
            "at home {a} put it {@s}.",
            "{g} saw it and wanted one too.",
        ],
    ],
    // Learning something.
    &[
        &[
            "{a} wanted to learn to cook {d} and went to {b}.",
            "{a} could not swim, and {b} said, \"I will teach you.\"",
            "{a} wanted to be {+j} and [practised|read books] every day.",
        ],
        &[
            "on the first day {~a} learned nothing.",
            "it was hard at first, and {~a} [made many mistakes|nearly cried].",
            "{b} said, \"[Take your time|Do not be afraid|Watch me first].\"",
        ],
        &[
            "on the second day {~a} came again.",
            "{~a} tried again and again.",
            "at home in the evening {~a} still thought about it.",
        ],
        &[
            "",
            "the {n} watched as if it were learning too.",
            "even {g} said that {~a} [was getting better|worked hard].",
        ],
        &[
            "on {D} {~a} could do it at last.",
            "a month later {a} [did it better than {b}|was not afraid any more].",
            "\"look!\" cried {a}.",
        ],
        &["{b} smiled and nodded.", "{a} felt {f}.", "nothing is too hard for one who wants to learn."],
    ],
    // A night.
    &[
        &[
            "it was late, and {a} was not asleep yet.",
            "{y} {a} heard a sound outside.",
            "the lights went out, and {a} lit a candle.",
        ],
        &[
            "outside [there was wind|the moon was white|it was dark].",
            "over at the {p} [there was a light|someone played the flute].",
            "{~a} took {+t} and softly opened the door.",
        ],
        &[
            "there was {+n} {@s}.",
            "{+n} ran past the {p} and [was gone|stopped to look at {!a}].",
            "{b} stood at the door.",
        ],
        &[
            "\"so it is you,\" said {a}.",
            "{a} [could breathe again|did not dare to move].",
            "the eyes were bright in the dark.",
        ],
        &[
            "later {~a} [dreamed of the {q}|slept soundly].",
            "the next day no one believed {!a}.",
            "in the morning there were only leaves {@s}.",
        ],
    ],
    // A race, a game, a kite.
    &[
        &[
            "{a} and {b} had a race to the {p}.",
            "on {D} the town held its games {@p}.",
            "{a} made {+c} kite to fly against {b}.",
        ],
        &[
            "{b} was fast and was soon [out of sight|in front].",
            "{a} did not hurry and went step by step.",
            "everyone came to watch, even {g}.",
        ],
        &[
            "halfway {b} saw {+n} and stopped.",
            "suddenly a strong wind came up.",
            "{@q} {b} was hungry and sat down to eat {d}.",
        ],
        &[
            "{a} went on and on and did not stop.",
            "when {b} thought of it again, it was too late.",
            "{a} looked back and went to help {!b}.",
        ],
        &[
            "in the end {a} was first.",
            "they came in together, and [no one won|no one lost].",
            "\"you won!\" said {b}.",
        ],
        &[
            "{g} gave {a} {+t}.",
            "{a} was {f}, and {b} was {h}.",
            "everyone [clapped|laughed] for a long time.",
        ],
    ],
];
